#ifndef FAKE_CLINUX_H
#define FAKE_CLINUX_H

// CLinux as the fuzzer links it: the real header, whose system calls go to a kernel in memory (FakeLinux.c). What the
// router does with the results is its own code.

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <resolv.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int fake_clock_gettime(clockid_t clock, struct timespec *to);
int fake_socket(int family, int type, int protocol);
int fake_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int fake_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int fake_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int fake_bind(int fd, const struct sockaddr *address, socklen_t size);
int fake_listen(int fd, int backlog);
int fake_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int fake_connect(int fd, const struct sockaddr *address, socklen_t size);
/// recvfrom and sendto, which the router calls by number.
long fake_syscall(long number, ...);
ssize_t fake_recv(int fd, void *to, size_t count, int flags);
ssize_t fake_sendmsg(int fd, const struct msghdr *message, int flags);
int fake_ioctl(int fd, unsigned long request, int *to);
int fake_shutdown(int fd, int how);
int fake_close(int fd);
ssize_t fake_read(int fd, void *to, size_t count);
ssize_t fake_write(int fd, const void *from, size_t count);
int fake_eventfd(unsigned count, int flags);
int fake_epoll_create1(int flags);
int fake_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int fake_epoll_wait(int epoll, struct epoll_event *events, int limit, int milliseconds);

#define clock_gettime fake_clock_gettime
#define socket fake_socket
#define setsockopt fake_setsockopt
#define getsockopt fake_getsockopt
#define getsockname fake_getsockname
#define bind fake_bind
#define listen fake_listen
#define accept4 fake_accept4
#define connect fake_connect
#define syscall fake_syscall
#define recv fake_recv
#define sendmsg fake_sendmsg
#define ioctl fake_ioctl
#define shutdown fake_shutdown
#define close fake_close
#define read fake_read
#define write fake_write
#define eventfd fake_eventfd
#define epoll_create1 fake_epoll_create1
#define epoll_ctl fake_epoll_ctl
#define epoll_wait fake_epoll_wait

#include "RealCLinux.h"

#endif

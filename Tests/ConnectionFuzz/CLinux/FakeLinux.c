#define _GNU_SOURCE
#include "CLinux.h"
#include "FakeLinux.h"

#include <stdarg.h>
#include <stdlib.h>

// The real calls that this file needs.
#undef clock_gettime

// What a call costs, nanoseconds: so that a turn's time is bounded by what the router does in it, and is the same each
// time an input is run.
enum { CALL_COST = 1000, LOOK_COST = 20, BYTES_EACH_NANOSECOND = 4 };

enum { FILE_LIMIT = 256, FIRST_FILE = 1000, SEGMENT_LIMIT = 64, PIECES = 256, ARENA = 1 << 22 };

enum kind { FREE, EPOLL, EVENT, SOCKET, LISTENING, STREAM };

struct file {
    enum kind kind;
    int link;
    uint16_t port;
    uint64_t count;
    /// As long as it is watched.
    int is_watched, is_edge_triggered, wakes;
    uint32_t interest;
    uint64_t data;
    int resets;
};

struct segment {
    const uint8_t *bytes;
    size_t count, times;
};

struct link {
    fake_link shown;
    int file;
    struct segment segments[SEGMENT_LIMIT];
    int first_segment, segment_count;
    /// Within the first segment.
    size_t offset;
    size_t arrived, piece;
    int is_ending, has_left, is_broken;
    /// Of the socket, to be told once.
    int error;
    int wants_room;
    size_t room;
    enum fake_connect how;
    uint32_t address;
    uint8_t *out;
    size_t out_count;
};

static struct file files[FILE_LIMIT];
/// All from there on are free.
static int file_count;
static struct link links[FAKE_LINK_LIMIT];
static int link_count;
static uint8_t arena[ARENA];
static size_t arena_used;
static uint8_t *outputs[FAKE_LINK_LIMIT];
static int64_t now, turn_began, last_failure;
static size_t calls_in_turn;
static enum fake_connect next_connect;
static int next_connects;
static int fail_error[FAKE_CALLS], fail_count[FAKE_CALLS];

static int failed(int error) {
    errno = error;
    return -1;
}

static void cost(size_t bytes) {
    calls_in_turn++;
    now += CALL_COST + (int64_t)(bytes / BYTES_EACH_NANOSECOND);
}

static int fails(enum fake_call call) {
    if (fail_count[call] == 0) return 0;
    fail_count[call]--;
    last_failure = now;
    errno = fail_error[call];
    return 1;
}

// A descriptor that is none is a mistake of the router's: EBADF traps there.
static struct file *file_of(int fd) {
    int index = fd - FIRST_FILE;
    return index >= 0 && index < FILE_LIMIT && files[index].kind != FREE ? &files[index] : NULL;
}

static int open_file(enum kind kind) {
    for (int i = 0; i < FILE_LIMIT; i++) {
        if (files[i].kind != FREE) continue;
        files[i] = (struct file){.kind = kind, .link = -1};
        if (i >= file_count) file_count = i + 1;
        return FIRST_FILE + i;
    }
    return failed(EMFILE);
}

void fake_begin(void) {
    memset(files, 0, sizeof files);
    file_count = 0;
    for (int i = 0; i < link_count; i++) links[i] = (struct link){0};
    link_count = 0;
    arena_used = 0;
    now = turn_began = 1000000000000;
    last_failure = 0;
    calls_in_turn = 0;
    next_connects = 0;
    memset(fail_count, 0, sizeof fail_count);
}

// Time

int64_t fake_now(void) { return now; }
void fake_pass(int64_t nanoseconds) { now += nanoseconds; }

int fake_clock_gettime(clockid_t clock, struct timespec *to) {
    now += LOOK_COST;
    int64_t told = clock == CLOCK_REALTIME ? now + 1700000000000000000 : now;
    *to = (struct timespec){.tv_sec = told / 1000000000, .tv_nsec = told % 1000000000};
    return 0;
}

// Links, seen from their peers

int fake_link_count(void) { return link_count; }
const fake_link *fake_look(int link) { return &links[link].shown; }

static int make_link(int is_endpoint, uint16_t place) {
    if (link_count == FAKE_LINK_LIMIT) return -1;
    struct link *link = &links[link_count];
    if (!outputs[link_count]) outputs[link_count] = malloc(FAKE_ROOM);
    *link = (struct link){.shown = {.is_endpoint = is_endpoint, .place = place}, .file = -1, .room = FAKE_ROOM};
    link->out = outputs[link_count];
    return link_count++;
}

static void wake(struct link *link) {
    if (link->file >= 0) files[link->file].wakes = 1;
}

int fake_open(uint16_t port, uint32_t address) {
    for (int i = 0; i < file_count; i++) {
        if (files[i].kind != LISTENING || files[i].port != port) continue;
        int link = make_link(0, port);
        if (link >= 0) links[link].address = address;
        return link;
    }
    return -1;
}

static void arrive(struct link *link) {
    size_t waiting = link->shown.unread - link->arrived;
    size_t least = waiting / PIECES + 1;
    size_t piece = link->piece > least ? link->piece : least;
    if (link->piece == 0 || piece > waiting) piece = waiting;
    if (piece > 0) wake(link);
    link->arrived += piece;
}

void fake_say(int number, const uint8_t *bytes, size_t count, size_t times) {
    struct link *link = &links[number];
    if (count == 0 || times == 0 || link->is_ending || link->shown.state >= FAKE_CLOSED) return;
    if (link->segment_count == SEGMENT_LIMIT || arena_used + count > ARENA) return;
    memcpy(arena + arena_used, bytes, count);
    int place = (link->first_segment + link->segment_count++) % SEGMENT_LIMIT;
    link->segments[place] = (struct segment){arena + arena_used, count, times};
    arena_used += count;
    link->shown.unread += count * times;
    if (link->piece == 0) arrive(link);
}

void fake_set_pace(int link, size_t piece) { links[link].piece = piece; }

void fake_end(int link) {
    links[link].is_ending = 1;
    wake(&links[link]);
}

void fake_break(int number) {
    struct link *link = &links[number];
    if (link->is_broken) return;
    link->is_broken = link->is_ending = link->has_left = 1;
    link->error = ECONNRESET;
    wake(link);
}

void fake_leave(int number) {
    struct link *link = &links[number];
    // Who closes without having read all says so with a reset, as it does to the probes of a window that is closed.
    if (link->out_count > 0 || link->wants_room) return fake_break(number);
    link->has_left = 1;
    fake_end(number);
}

size_t fake_lend(int link, const uint8_t **bytes) {
    *bytes = links[link].out;
    return links[link].out_count;
}

static void make_room(struct link *link) {
    if (!link->wants_room || link->out_count >= link->room) return;
    link->wants_room = 0;
    wake(link);
}

void fake_take(int number, size_t count) {
    struct link *link = &links[number];
    memmove(link->out, link->out + count, link->out_count - count);
    link->out_count -= count;
    make_room(link);
}

void fake_set_room(int link, size_t count) {
    links[link].room = count < FAKE_ROOM ? count : FAKE_ROOM;
    make_room(&links[link]);
}

void fake_connect_next(enum fake_connect how, int count) {
    next_connect = how;
    next_connects = count;
}

void fake_fail_next(enum fake_call call, int error, int count) {
    fail_error[call] = error;
    fail_count[call] = count;
}

int64_t fake_failed_at(void) { return last_failure; }

/// Whether the end, or the failure, of what the peer says is all that is left of it.
static int is_at_end(const struct link *link) { return link->is_ending && link->shown.unread == 0; }

// Sockets, seen from the router

int fake_socket(int family, int type, int protocol) {
    (void)family, (void)type, (void)protocol;
    cost(0);
    return fails(FAKE_SOCKET) ? -1 : open_file(SOCKET);
}

int fake_setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
    (void)size;
    cost(0);
    struct file *file = file_of(fd);
    if (!file) return failed(EBADF);
    if (level == SOL_SOCKET && option == SO_LINGER) file->resets = ((const struct linger *)value)->l_onoff;
    return 0;
}

int fake_getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
    (void)level, (void)option, (void)size;
    cost(0);
    struct file *file = file_of(fd);
    if (!file || file->link < 0) return failed(EBADF);
    *(int *)value = links[file->link].error;
    links[file->link].error = 0;
    return 0;
}

static void tell_address(uint32_t ip, uint16_t port, struct sockaddr *address, socklen_t *size) {
    struct sockaddr_in told = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
    memcpy(address, &told, sizeof told);
    *size = sizeof told;
}

int fake_getsockname(int fd, struct sockaddr *address, socklen_t *size) {
    cost(0);
    struct file *file = file_of(fd);
    if (!file) return failed(EBADF);
    tell_address(0x0a000001, file->kind == LISTENING ? file->port : 40000, address, size);
    return 0;
}

int fake_bind(int fd, const struct sockaddr *address, socklen_t size) {
    (void)size;
    struct file *file = file_of(fd);
    if (!file) return failed(EBADF);
    file->port = ntohs(((const struct sockaddr_in *)address)->sin_port);
    return 0;
}

int fake_listen(int fd, int backlog) {
    (void)backlog;
    struct file *file = file_of(fd);
    if (!file) return failed(EBADF);
    file->kind = LISTENING;
    return 0;
}

/// The first client that waits on a port.
static int client_at(uint16_t port) {
    for (int i = 0; i < link_count; i++) {
        const fake_link *link = &links[i].shown;
        if (!link->is_endpoint && link->state == FAKE_OPENING && link->place == port) return i;
    }
    return -1;
}

int fake_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
    (void)flags;
    cost(0);
    struct file *file = file_of(fd);
    if (!file) return failed(EBADF);
    int link = client_at(file->port);
    if (link < 0) return failed(EAGAIN);
    if (fails(FAKE_ACCEPT)) return -1;
    int accepted = open_file(STREAM);
    if (accepted < 0) return -1;
    file_of(accepted)->link = link;
    links[link].file = accepted - FIRST_FILE;
    links[link].shown.state = FAKE_OPEN;
    tell_address(links[link].address, (uint16_t)(30000 + link), address, size);
    return accepted;
}

int fake_connect(int fd, const struct sockaddr *address, socklen_t size) {
    (void)size;
    cost(0);
    struct file *file = file_of(fd);
    if (!file || file->kind != SOCKET) return failed(EBADF);
    if (fails(FAKE_CONNECT)) return -1;
    uint16_t place = (uint16_t)ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
    int number = make_link(1, place);
    if (number < 0) {
        // Not the script's doing, but as good a reason.
        last_failure = now;
        return failed(EADDRNOTAVAIL);
    }
    struct link *link = &links[number];
    if (next_connects > 0 && place < FAKE_RELIABLE) {
        next_connects--;
        link->how = next_connect;
    }
    if (link->how == FAKE_CONNECT_REFUSED_AT_ONCE) {
        link->shown.state = FAKE_RESET;
        return failed(ECONNREFUSED);
    }
    file->kind = STREAM;
    file->link = number;
    link->file = fd - FIRST_FILE;
    if (link->how != FAKE_CONNECT_AT_ONCE) return failed(EINPROGRESS);
    link->shown.state = FAKE_OPEN;
    return 0;
}

/// What becomes of a connection that is being opened.
static void go_on_connecting(struct link *link) {
    switch (link->how) {
    case FAKE_CONNECT_REFUSED: link->error = ECONNREFUSED; break;
    case FAKE_CONNECT_UNREACHABLE: link->error = EHOSTUNREACH; break;
    case FAKE_CONNECT_NEVER: return;
    default: link->shown.state = FAKE_OPEN;
    }
    if (link->error) link->is_broken = link->is_ending = 1, link->shown.state = FAKE_RESET;
    wake(link);
}

void fake_arrive(void) {
    for (int i = 0; i < link_count; i++) {
        struct link *link = &links[i];
        if (link->file < 0) continue;
        if (link->shown.is_endpoint && link->shown.state == FAKE_OPENING) go_on_connecting(link);
        if (link->piece > 0 && link->shown.state == FAKE_OPEN) arrive(link);
    }
}

static struct link *stream(int fd) {
    struct file *file = file_of(fd);
    if (!file || file->kind != STREAM || file->link < 0) return NULL;
    links[file->link].shown.calls_in_turn++;
    return &links[file->link];
}

static int take_error(struct link *link) {
    int error = link->error;
    link->error = 0;
    return error;
}

static ssize_t receive(int fd, uint8_t *to, size_t room, int only_looks) {
    struct link *link = stream(fd);
    cost(0);
    if (!link) return failed(EBADF);
    if (link->arrived == 0) {
        if (link->error) return failed(take_error(link));
        return is_at_end(link) ? 0 : failed(EAGAIN);
    }
    size_t wanted = room < link->arrived ? room : link->arrived;
    if (only_looks) return (ssize_t)wanted;
    size_t count = 0;
    while (count < wanted) {
        struct segment *segment = &link->segments[link->first_segment];
        size_t left = segment->count - link->offset;
        size_t piece = wanted - count < left ? wanted - count : left;
        memcpy(to + count, segment->bytes + link->offset, piece);
        count += piece;
        link->offset += piece;
        if (link->offset < segment->count) break;
        link->offset = 0;
        if (--segment->times == 0) {
            link->first_segment = (link->first_segment + 1) % SEGMENT_LIMIT;
            link->segment_count--;
        }
    }
    now += (int64_t)(count / BYTES_EACH_NANOSECOND);
    link->arrived -= count;
    link->shown.unread -= count;
    link->shown.read += count;
    link->shown.read_in_turn += count;
    return (ssize_t)count;
}

static ssize_t send_bytes(int fd, const uint8_t *bytes, size_t count, int is_continued) {
    struct link *link = stream(fd);
    if (!is_continued) cost(count);
    if (!link) return failed(EBADF);
    if (link->shown.state == FAKE_OPENING) return failed(EAGAIN);
    if (link->is_broken || link->shown.has_ended) return failed(link->error ? take_error(link) : EPIPE);
    size_t room = link->room > link->out_count ? link->room - link->out_count : 0;
    if (room == 0 && count > 0) {
        link->wants_room = 1;
        // Nobody is there to open the window again: the kernel's probe of it is answered with a reset.
        if (link->has_left) fake_break((int)(link - links));
        return failed(EAGAIN);
    }
    size_t taken = count < room ? count : room;
    if (taken < count) link->wants_room = 1;
    link->shown.sent += taken;
    link->shown.sent_in_turn += taken;
    if (link->has_left) {
        // The peer's answer is a reset.
        link->is_broken = 1;
        link->error = EPIPE;
        wake(link);
        return (ssize_t)taken;
    }
    memcpy(link->out + link->out_count, bytes, taken);
    link->out_count += taken;
    return (ssize_t)taken;
}

long fake_syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    int fd = va_arg(list, int);
    void *bytes = va_arg(list, void *);
    size_t count = va_arg(list, size_t);
    va_end(list);
    switch (number) {
    case SYS_recvfrom: return receive(fd, bytes, count, 0);
    case SYS_sendto: return send_bytes(fd, bytes, count, 0);
    default: return failed(ENOSYS);
    }
}

ssize_t fake_recv(int fd, void *to, size_t count, int flags) { return receive(fd, to, count, flags & MSG_PEEK); }

ssize_t fake_sendmsg(int fd, const struct msghdr *message, int flags) {
    (void)flags;
    ssize_t sent = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        if (piece->iov_len == 0) continue;
        ssize_t result = send_bytes(fd, piece->iov_base, piece->iov_len, i > 0);
        if (result < 0) return sent > 0 ? sent : result;
        sent += result;
        if ((size_t)result < piece->iov_len) break;
    }
    return sent;
}

/// How much of what was sent the peer has not taken (SIOCOUTQ).
int fake_ioctl(int fd, unsigned long request, int *to) {
    struct link *link = stream(fd);
    cost(0);
    if (!link) return (int)failed(EBADF);
    if (request != SIOCOUTQ) return (int)failed(ENOTTY);
    *to = (int)link->out_count;
    return 0;
}

int fake_shutdown(int fd, int how) {
    (void)how;
    cost(0);
    struct link *link = stream(fd);
    if (!link) return failed(EBADF);
    if (link->is_broken) return failed(ENOTCONN);
    link->shown.has_ended = 1;
    if (link->is_ending) wake(link);
    return 0;
}

int fake_close(int fd) {
    cost(0);
    struct file *file = file_of(fd);
    if (!file) return failed(EBADF);
    if (file->link >= 0) {
        struct link *link = &links[file->link];
        // A kernel that has bytes for somebody who is gone says so with a reset.
        link->shown.state = file->resets || link->arrived > 0 || link->is_broken ? FAKE_RESET : FAKE_CLOSED;
        link->file = -1;
    }
    if (file->kind == LISTENING) {
        for (int client; (client = client_at(file->port)) >= 0;) links[client].shown.state = FAKE_RESET;
    }
    file->kind = FREE;
    return 0;
}

// Events

int fake_eventfd(unsigned count, int flags) {
    (void)flags;
    int fd = open_file(EVENT);
    if (fd >= 0) file_of(fd)->count = count;
    return fd;
}

ssize_t fake_read(int fd, void *to, size_t count) {
    struct file *file = file_of(fd);
    if (!file || file->kind != EVENT || count < 8) return failed(EBADF);
    if (file->count == 0) return failed(EAGAIN);
    memcpy(to, &file->count, 8);
    file->count = 0;
    return 8;
}

ssize_t fake_write(int fd, const void *from, size_t count) {
    struct file *file = file_of(fd);
    if (!file || file->kind != EVENT || count < 8) return failed(EBADF);
    uint64_t added;
    memcpy(&added, from, 8);
    file->count += added;
    return 8;
}

int fake_epoll_create1(int flags) {
    (void)flags;
    return open_file(EPOLL);
}

int fake_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    cost(0);
    struct file *file = file_of(fd);
    if (!file || !file_of(epoll)) return failed(EBADF);
    if (operation == EPOLL_CTL_DEL) {
        file->is_watched = 0;
        return 0;
    }
    if (fails(FAKE_WATCH)) return -1;
    file->is_watched = file->wakes = 1;
    file->is_edge_triggered = (event->events & EPOLLET) != 0;
    file->interest = event->events;
    file->data = event->data.u64;
    return 0;
}

static uint32_t readiness(const struct file *file) {
    switch (file->kind) {
    case EVENT: return file->count > 0 ? EPOLLIN : 0;
    case LISTENING: return client_at(file->port) >= 0 ? EPOLLIN : 0;
    case STREAM: break;
    default: return 0;
    }
    const struct link *link = &links[file->link];
    if (link->shown.state == FAKE_OPENING) return 0;
    uint32_t ready = 0;
    if (link->error) ready |= EPOLLERR;
    if (link->is_broken) ready |= EPOLLHUP | EPOLLIN | EPOLLRDHUP | EPOLLOUT;
    if (link->arrived > 0) ready |= EPOLLIN;
    // An end arrives behind all that was said before it.
    if (link->is_ending && link->shown.unread == link->arrived) {
        ready |= EPOLLIN | EPOLLRDHUP;
        if (link->shown.has_ended) ready |= EPOLLHUP;
    }
    if (link->out_count < link->room) ready |= EPOLLOUT;
    return ready & (file->interest | EPOLLERR | EPOLLHUP);
}

static int is_told(const struct file *file) {
    return file->is_watched && (file->wakes || !file->is_edge_triggered) && readiness(file) != 0;
}

int fake_is_ready(void) {
    for (int i = 0; i < file_count; i++)
        if (files[i].kind != FREE && is_told(&files[i])) return 1;
    return 0;
}

int fake_epoll_wait(int epoll, struct epoll_event *events, int limit, int milliseconds) {
    if (!file_of(epoll)) return failed(EBADF);
    fake_between_turns(milliseconds);
    int count = 0;
    for (int i = 0; i < file_count && count < limit; i++) {
        struct file *file = &files[i];
        if (file->kind == FREE || !is_told(file)) continue;
        events[count++] = (struct epoll_event){.events = readiness(file), .data.u64 = file->data};
        file->wakes = 0;
    }
    for (int i = 0; i < link_count; i++) {
        fake_link *link = &links[i].shown;
        link->read_in_turn = link->sent_in_turn = link->calls_in_turn = 0;
    }
    calls_in_turn = 0;
    turn_began = now;
    return count;
}

size_t fake_calls_in_turn(void) { return calls_in_turn; }
int64_t fake_turn_time(void) { return now - turn_began; }

int fake_open_links(void) {
    int count = 0;
    for (int i = 0; i < file_count; i++) count += files[i].kind == STREAM || files[i].kind == SOCKET;
    return count;
}

int fake_open_files(void) {
    int count = 0;
    for (int i = 0; i < file_count; i++) count += files[i].kind != FREE;
    return count;
}

// The process

int fake_has(const void *bytes, size_t count, const uint8_t *word, size_t word_count) {
    return memmem(bytes, count, word, word_count) != NULL;
}

size_t __sanitizer_get_current_allocated_bytes(void);

size_t fake_allocated(void) { return __sanitizer_get_current_allocated_bytes(); }

int64_t fake_elapsed(int of_processor) {
    struct timespec used;
    clock_gettime(of_processor ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

// What a run is worth: fewer frames of each allocation, and freed memory that is kept for as long as an input is run.
const char *__asan_default_options(void) {
    return "detect_leaks=0:malloc_context_size=3:quarantine_size_mb=12:max_malloc_fill_size=0";
}

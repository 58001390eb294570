#include "Internal.h"

#include <string.h>

// A BIO on memory that all sessions of a thread share. Only its retry flags change while it is used.

static int port_write_ex(BIO *bio, const char *from, size_t count, size_t *written) {
    cssl_port *port = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t room = port->output_room - port->output_count;
    if (room == 0) {
        BIO_set_retry_write(bio);
        return 0;
    }
    *written = count < room ? count : room;
    memcpy(port->output + port->output_count, from, *written);
    port->output_count += *written;
    return 1;
}

static int port_read_ex(BIO *bio, char *to, size_t count, size_t *read) {
    cssl_port *port = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t most = port->allowed < port->input_count ? port->allowed : port->input_count;
    if (most == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *read = count < most ? count : most;
    memcpy(to, port->input, *read);
    port->input += *read;
    port->input_count -= *read;
    port->allowed -= *read;
    return 1;
}

static long port_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_PUSH:
    case BIO_CTRL_POP: return 1;
    default: return 0;
    }
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method;

static void create_method(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "spillway");
    if (!m) return;
    BIO_meth_set_write_ex(m, port_write_ex);
    BIO_meth_set_read_ex(m, port_read_ex);
    BIO_meth_set_ctrl(m, port_ctrl);
    method = m;
}

cssl_bio *cssl_bio_create(cssl_port *port) {
    if (!CRYPTO_THREAD_run_once(&once, create_method) || !method) return NULL;
    BIO *bio = BIO_new(method);
    if (!bio) return NULL;
    BIO_set_data(bio, port);
    BIO_set_init(bio, 1);
    return bio;
}

void cssl_bio_free(cssl_bio *bio) { BIO_free(bio); }

/// At the end of the process nothing is freed: threads may still be at work.
__attribute__((constructor)) static void keep_until_the_end(void) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

cssl_library *cssl_library_create(void) { return OSSL_LIB_CTX_new(); }

int cssl_random(uint8_t *to, size_t count) { return RAND_bytes(to, (int)count) == 1; }

size_t cssl_take_error(char *to, size_t room) {
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    ERR_clear_error();
    if (!reason) reason = "unknown reason";
    size_t count = strlen(reason);
    if (count > room) count = room;
    memcpy(to, reason, count);
    return count;
}

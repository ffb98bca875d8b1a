/* Preloaded into sge_qmaster and sge_execd, which otherwise listen on every
 * interface: bind() to 0.0.0.0 becomes bind() to $BIND_LOOPBACK, or 127.0.0.1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct in_addr address;

__attribute__((constructor)) static void setup(void)
{
    const char *text = getenv("BIND_LOOPBACK");

    if (text == NULL || inet_pton(AF_INET, text, &address) != 1)
        address.s_addr = htonl(INADDR_LOOPBACK);
    /* Jobs inherit the environment of sge_execd. */
    unsetenv("LD_PRELOAD");
    unsetenv("BIND_LOOPBACK");
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    static int (*real_bind)(int, const struct sockaddr *, socklen_t);
    struct sockaddr_in in;

    if (real_bind == NULL)
        real_bind = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    if (addr != NULL && addr->sa_family == AF_INET && len >= sizeof in) {
        memcpy(&in, addr, sizeof in);
        if (in.sin_addr.s_addr == htonl(INADDR_ANY)) {
            in.sin_addr = address;
            return real_bind(fd, (const struct sockaddr *)&in, sizeof in);
        }
    }
    return real_bind(fd, addr, len);
}

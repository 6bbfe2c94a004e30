#include "protocol.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output.h"
#include "scheduler.h"

namespace tg {
namespace {
constexpr uint32_t LONGEST = 1u << 30;
constexpr int PATIENCE = 2000;  // milliseconds until it is looked whether the interpreter is still there

bool receive_all(int socket, char* bytes, size_t size, int* descriptor) {
    while (size) {
        iovec part = {bytes, size};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        msghdr header;
        memset(&header, 0, sizeof header);
        header.msg_iov = &part, header.msg_iovlen = 1;
        header.msg_control = control, header.msg_controllen = sizeof control;
        ssize_t got = recvmsg(socket, &header, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        cmsghdr* extra = CMSG_FIRSTHDR(&header);
        if (extra && extra->cmsg_level == SOL_SOCKET && extra->cmsg_type == SCM_RIGHTS)
            memcpy(descriptor, CMSG_DATA(extra), sizeof(int));
        bytes += got, size -= got;
    }
    return true;
}

void send_all(int socket, const char* bytes, size_t size) {
    while (size) {
        ssize_t sent = send(socket, bytes, size, 0);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) _exit(4);
        bytes += sent, size -= sent;
    }
}
}  // namespace

// Wait for a request. The end of the socket says that the interpreter is gone, unless a fork of it holds the other end.
bool wait_for_request(int socket) {
    static const pid_t parent = getppid();
    pollfd one = {socket, POLLIN, 0};
    int found;
    while ((found = poll(&one, 1, PATIENCE)) == 0 || (found < 0 && errno == EINTR))
        if (getppid() != parent) return false;
    return found > 0;
}

bool receive(int socket, Message& message) {
    uint32_t head[2];
    message.descriptor = -1;
    if (!wait_for_request(socket)) return false;
    if (!receive_all(socket, reinterpret_cast<char*>(head), sizeof head, &message.descriptor)) return false;
    if (head[1] > LONGEST) return false;
    message.kind = head[0];
    message.bytes.resize(head[1]);
    return receive_all(socket, message.bytes.data(), head[1], &message.descriptor);
}

void answer(int socket, uint32_t kind, const void* bytes, size_t size) {
    uint32_t head[2] = {kind, (uint32_t)size};
    if (size <= 4096) {  // one call for both
        char both[4096 + sizeof head];
        memcpy(both, head, sizeof head);
        if (size) memcpy(both + sizeof head, bytes, size);
        send_all(socket, both, sizeof head + size);
        return;
    }
    send_all(socket, reinterpret_cast<const char*>(head), sizeof head);
    send_all(socket, static_cast<const char*>(bytes), size);
}

void answer_failure(int socket, uintptr_t place, bool dying) {
    char text[1600];
    const unsigned *b = failure.block, *t = failure.thread;
    int length = snprintf(text, sizeof text, "%s\n%zu\n%d\n%u %u %u\n%u %u %u\n%s", failure.kind, (size_t)place,
                          failure.line, b[0], b[1], b[2], t[0], t[1], t[2], failure.message);
    if (dying) {  // what was printed comes with the last words
        static char all[(1 << 20) + 2048];
        size_t size = (size_t)length + 1;
        memcpy(all, text, size);
        size_t more = printed.size() < sizeof all - size ? printed.size() : sizeof all - size;
        memcpy(all + size, printed.data(), more);
        answer(socket, DIED, all, size + more);
        return;
    }
    answer(socket, FAILED, text, length);
}
}  // namespace tg

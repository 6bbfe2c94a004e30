#include "sandbox.h"

#include <sys/resource.h>
#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace tg {
namespace {
constexpr rlim_t MEMORY = 16ull << 30;  // of its own, arrays not counted

void limit(int what, rlim_t most) {
    rlimit now;
    if (getrlimit(what, &now)) return;
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most) most = now.rlim_max;
    now.rlim_cur = now.rlim_max = most;
    setrlimit(what, &now);
}

#ifdef __linux__
// System calls that are answered with a signal, which ends the launch and names the line.
constexpr int FORBIDDEN[] = {
#ifdef SYS_fork
    SYS_fork, SYS_vfork,
#endif
#ifdef SYS_clone3
    SYS_clone3,
#endif
    SYS_clone, SYS_execve, SYS_execveat, SYS_ptrace, SYS_socket, SYS_connect, SYS_unlinkat, SYS_mkdirat,
#ifdef SYS_unlink
    SYS_unlink, SYS_rename, SYS_creat,
#endif
};

void forbid_system_calls() {
    sock_filter program[64];
    unsigned short n = 0;
    program[n++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    for (int number : FORBIDDEN) {
        program[n++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);
        program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    }
    program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    sock_fprog filter = {n, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}
#endif
}  // namespace

void keep_inside() {
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);  // no processes, where the system has no filter for its calls
    limit(RLIMIT_DATA, MEMORY);
#ifdef __linux__
    forbid_system_calls();
#endif
}
}  // namespace tg

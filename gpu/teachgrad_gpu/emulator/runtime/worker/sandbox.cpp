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
    SYS_truncate, SYS_ftruncate, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_mknodat, SYS_fchmod, SYS_fchmodat,
    SYS_fchownat, SYS_utimensat, SYS_kill, SYS_tkill, SYS_process_vm_writev, SYS_mount,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_openat2
    SYS_openat2,
#endif
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
#endif
#ifdef SYS_unlink
    SYS_unlink, SYS_rename, SYS_creat, SYS_mkdir, SYS_rmdir, SYS_link, SYS_symlink, SYS_mknod, SYS_chmod, SYS_chown,
    SYS_lchown, SYS_utimes,
#endif
};

void forbid_system_calls() {
    sock_filter program[128];
    unsigned short n = 0;
    program[n++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    for (int number : FORBIDDEN) {
        program[n++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1);
        program[n++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    }
    // A library is loaded by opening a file to read; no file is opened to be written, made or cut.
    constexpr unsigned WRITES = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
    struct Opening { int number, flags; };  // the place of its flags among the arguments
    constexpr Opening openings[] = {
#ifdef SYS_open
        {SYS_open, 1},
#endif
        {SYS_openat, 2},
    };
    for (Opening each : openings) {
        program[n++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
        program[n++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)each.number, 0, 3);
        program[n++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                (unsigned)offsetof(seccomp_data, args) + 8 * each.flags);  // the lower half
        program[n++] = BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITES, 0, 1);
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

/* OpenMP on plain threads, as far as generated C needs it. The thread sanitizer cannot see into the library of GCC, and
 * takes its waiting for none; what is written here it sees. */
#include <pthread.h>

enum { MOST = 16 };

struct share {
    void (*work)(void *);
    void *data;
    int number, team;
};

static _Thread_local int number_of_thread, size_of_team = 1;

int omp_get_thread_num(void)
{
    return number_of_thread;
}

int omp_get_num_threads(void)
{
    return size_of_team;
}

static void *begin(void *given)
{
    struct share *share = given;
    number_of_thread = share->number;
    size_of_team = share->team;
    share->work(share->data);
    return 0;
}

void GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags)
{
    struct share shares[MOST];
    pthread_t pool[MOST];
    const int team = threads < MOST ? threads : MOST;
    (void)flags;
    for (int i = 0; i < team; i++) {
        shares[i] = (struct share){work, data, i, team};
        pthread_create(&pool[i], 0, begin, &shares[i]);
    }
    for (int i = 0; i < team; i++)
        pthread_join(pool[i], 0);
}

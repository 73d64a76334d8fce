// A preemptive real-time kernel in small: tasks at EL1, a tick, priorities, sleeping, semaphores, a queue,
// and SIMD registers that are switched when a task first uses them.
#include "runtime.h"

#define TICK 20000 // of the counter, 62.5 MHz
#define STACK 8192
enum { READY, SLEEPING, WAITING, DONE };

struct task {
    struct context *context;
    int state, priority;
    u64 wake, switches, uses_simd;
    volatile int *waits_for;
    u8 simd[34 * 16] __attribute__((aligned(16)));
    u8 stack[STACK] __attribute__((aligned(16)));
};

#define TASKS 7
static struct task tasks[TASKS];
static int count, current;
static volatile u64 ticks;
static u64 simd_traps;
static struct task *simd_owner;
enum { SYS_YIELD, SYS_SLEEP, SYS_WAIT, SYS_EXIT };

static u64 call(u64 number, u64 argument) {
    register u64 x0 asm("x0") = argument;
    register u64 x8 asm("x8") = number;
    asm volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");
    return x0;
}

static void exit_task(void) {
    call(SYS_EXIT, 0);
}

static void create(void (*entry)(u64), u64 argument, int priority) {
    struct task *task = &tasks[count++];
    task->context = (struct context *)(task->stack + STACK) - 1;
    task->context->elr = (u64)entry;
    task->context->x[0] = argument;
    task->context->x[30] = (u64)exit_task;
    task->context->spsr = 5; // EL1h, interrupts on
    task->priority = priority;
}

static void set_simd(int on) {
    WRITE(cpacr_el1, on ? 3 << 20 : 0);
    ISB();
}

static struct context *schedule(struct context *context) {
    tasks[current].context = context;
    int best = -1;
    for (int n = 1; n <= count; n++) {
        int candidate = (current + n) % count;
        struct task *task = &tasks[candidate];
        if (task->state == WAITING && *task->waits_for > 0)
            task->state = READY, --*task->waits_for;
        if (task->state == SLEEPING && ticks >= task->wake)
            task->state = READY;
        if (task->state == READY && (best < 0 || task->priority > tasks[best].priority))
            best = candidate;
    }
    if (best != current)
        tasks[best].switches++;
    current = best;
    set_simd(simd_owner == &tasks[current]);
    return tasks[current].context;
}

static struct context *tick(struct context *context) {
    u64 intid = gic_acknowledge() & 0x3ff;
    if (intid == VIRTUAL_TIMER) {
        ticks++;
        WRITE(cntv_cval_el0, READ(cntv_cval_el0) + TICK);
        if (READ(cntvct_el0) > READ(cntv_cval_el0))
            WRITE(cntv_tval_el0, TICK);
    }
    gic_end(intid);
    return schedule(context);
}

static struct context *system_call(struct context *context) {
    struct task *task = &tasks[current];
    switch (context->x[8]) {
    case SYS_SLEEP: task->state = SLEEPING, task->wake = ticks + context->x[0]; break;
    case SYS_WAIT: task->state = WAITING, task->waits_for = (volatile int *)context->x[0]; break;
    case SYS_EXIT: task->state = DONE; break;
    }
    return schedule(context);
}

static struct context *switch_simd(struct context *context) {
    simd_traps++;
    set_simd(1);
    if (simd_owner)
        save_simd(simd_owner->simd);
    simd_owner = &tasks[current];
    load_simd(simd_owner->simd);
    return context;
}

struct context *exception(struct context *context, int vector) {
    u64 ec = READ(esr_el1) >> 26;
    if (vector == 5)
        return tick(context);
    if (vector == 4 && ec == 0x15)
        return system_call(context);
    if (vector == 4 && ec == 0x07)
        return switch_simd(context);
    print("exception %d esr %x elr %x far %x\n", (u64)vector, READ(esr_el1), context->elr, READ(far_el1));
    power_off();
}

// The application

static volatile int items, places = 4, finished;
static u64 queue[4], written, consumed, sum;
static u64 simd_errors, naps;

static void signal(volatile int *semaphore) {
    __atomic_fetch_add(semaphore, 1, __ATOMIC_SEQ_CST);
}

static void producer(u64 amount) {
    for (u64 n = 1; n <= amount; n++) {
        call(SYS_WAIT, (u64)&places);
        queue[written++ % 4] = n * n;
        signal(&items);
    }
    signal(&finished);
}

static void consumer(u64 amount) {
    for (u64 n = 0; n < amount; n++) {
        call(SYS_WAIT, (u64)&items);
        sum = sum * 3 + queue[consumed++ % 4];
        signal(&places);
    }
    signal(&finished);
}

// Keeps a pattern in v8 while others compute in v8, too, for some ticks, whatever a tick is worth.
static void vectors(u64 pattern) {
    for (int round = 0; round < 6 || ticks < 12; round++) {
        u64 result = 0;
        asm volatile(".arch armv8-a\n dup v8.2d, %1\n mov x9, #4000\n"
                     "1: add v9.2d, v8.2d, v8.2d\n sub v8.2d, v9.2d, v8.2d\n subs x9, x9, #1\n b.ne 1b\n"
                     "fmov %0, d8"
                     : "=r"(result) : "r"(pattern) : "x9", "cc", "memory");
        simd_errors += result != pattern;
    }
    signal(&finished);
}

static void sleeper(u64 times) {
    for (u64 n = 0; n < times; n++) {
        u64 before = ticks;
        call(SYS_SLEEP, 2);
        naps += ticks - before >= 2;
    }
    signal(&finished);
}

static void idle(u64 unused) {
    for (;;)
        asm volatile("wfi");
}

static void first(u64 unused) {
    for (int n = 0; n < 5; n++)
        call(SYS_WAIT, (u64)&finished);
    WRITE(cntv_ctl_el0, 0);
    print("queue %x, %d items\n", sum, consumed);
    print("simd errors %d, traps %s\n", simd_errors, simd_traps >= 4 ? "several" : "few");
    print("naps %d, ticks %s\n", naps, ticks >= 10 ? "enough" : "few");
    print("preempted %s\n", tasks[3].switches + tasks[4].switches > 4 ? "yes" : "no");
    power_off();
}

int main(void) {
    create(first, 0, 3);
    create(producer, 100, 1);
    create(consumer, 100, 1);
    create(vectors, 0x1122334455667788, 1);
    create(vectors, 0x99aabbccddeeff00, 1);
    create(sleeper, 5, 2);
    create(idle, 0, 0);
    gic_init_distributor();
    gic_init_cpu(0);
    WRITE(cntv_tval_el0, TICK);
    WRITE(cntv_ctl_el0, 1);
    resume(tasks[0].context);
}

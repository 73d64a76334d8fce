// Several CPUs: PSCI, atomics of all kinds, locks, interrupts between processors, TLB invalidation on all of them.
#include "runtime.h"

#define ROUNDS 60
extern u64 boot_table[];
static u64 present = 1;
static u64 arrived, turn;

// The outlined atomics of libgcc ask the C library once whether the CPU has FEAT_LSE.
unsigned long __getauxval(unsigned long type) {
    return (READ(id_aa64isar0_el1) >> 20 & 15) == 2 ? 1 << 8 : 0; // HWCAP_ATOMICS
}

static void barrier(void) {
    u64 mine = __atomic_load_n(&turn, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == CPUS) {
        __atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&turn, mine + 1, __ATOMIC_RELEASE);
        asm volatile("dsb ishst\n sev");
    } else
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == mine)
            asm volatile("wfe");
}

// Locks: exclusives with WFE, as kernels wait; and tickets.

static u32 lock_word;
static struct {
    u32 next, owner;
} tickets;
static u64 locked_count, ticket_count;

static void with_lock(void) {
    u32 seen;
    asm volatile("sevl\n1: wfe\n2: ldaxr %w0, [%1]\n cbnz %w0, 1b\n stxr %w0, %w2, [%1]\n cbnz %w0, 2b"
                 : "=&r"(seen) : "r"(&lock_word), "r"(1) : "memory");
    locked_count++;
    asm volatile("stlr wzr, [%0]" : : "r"(&lock_word) : "memory");
}

static void with_ticket(void) {
    u32 mine = __atomic_fetch_add(&tickets.next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&tickets.owner, __ATOMIC_ACQUIRE) != mine)
        asm volatile("yield");
    ticket_count++;
    __atomic_store_n(&tickets.owner, mine + 1, __ATOMIC_RELEASE);
}

// Atomics of every size and operation.

static u8 byte_sum;
static uint16_t half_sum;
static u32 word_or, word_xor;
static u64 sum, greatest, swapped;
static __uint128_t pair __attribute__((aligned(16)));

static void add_to_pair(u64 low, u64 high) {
    u64 a, b;
    u32 failed;
    asm volatile("1: ldaxp %0, %1, [%3]\n adds %0, %0, %4\n adc %1, %1, %5\n stlxp %w2, %0, %1, [%3]\n cbnz %w2, 1b"
                 : "=&r"(a), "=&r"(b), "=&r"(failed) : "r"(&pair), "r"(low), "r"(high) : "memory", "cc");
}

static void atomics(u64 cpu) {
    for (u64 n = 0; n < ROUNDS; n++) {
        u64 value = cpu * 1000 + n;
        __atomic_fetch_add(&byte_sum, (u8)value, __ATOMIC_SEQ_CST);
        __atomic_fetch_sub(&half_sum, (uint16_t)value, __ATOMIC_ACQUIRE);
        __atomic_fetch_or(&word_or, 1u << (value & 31), __ATOMIC_RELEASE);
        __atomic_fetch_xor(&word_xor, (u32)(value * 2654435761u), __ATOMIC_RELAXED);
        __atomic_fetch_add(&sum, value * value, __ATOMIC_ACQ_REL);
        __atomic_fetch_add(&swapped, __atomic_exchange_n(&swapped, 0, __ATOMIC_SEQ_CST) + 1, __ATOMIC_SEQ_CST);
        u64 seen = __atomic_load_n(&greatest, __ATOMIC_RELAXED);
        while (seen < value && !__atomic_compare_exchange_n(&greatest, &seen, value, 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            ;
        add_to_pair(~0ull - cpu, n);
        with_lock();
        with_ticket();
    }
}

// One CPU writes data and then a flag, the other sees the flag and must see the data.

static u64 data, flag, wrong;

static void messages(u64 cpu) {
    for (u64 n = 1; n <= ROUNDS; n++)
        if (cpu == 0) {
            data = n * 7;
            __atomic_store_n(&flag, n, __ATOMIC_RELEASE);
            while (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) == n)
                ;
        } else {
            while (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) != n)
                ;
            wrong += data != n * 7;
            __atomic_store_n(&flag, 0, __ATOMIC_RELEASE);
        }
}

// Interrupts: a token goes round by SGI; every CPU but its holder sleeps.

static u64 hops, bad_interrupts;

struct context *exception(struct context *context, int vector) {
    if (vector != 5) {
        print("exception %d esr %x elr %x far %x\n", (u64)vector, READ(esr_el1), context->elr, READ(far_el1));
        power_off();
    }
    u64 intid = gic_acknowledge() & 0x3ff, cpu = READ(mpidr_el1) & 0xff;
    bad_interrupts += intid != SGI(5);
    u64 now = __atomic_add_fetch(&hops, 1, __ATOMIC_ACQ_REL);
    if (now < 10 * CPUS)
        gic_send(1ull << (cpu + 1) % CPUS, SGI(5));
    gic_end(intid);
    asm volatile("sev");
    return context;
}

static void ring(u64 cpu) {
    gic_init_cpu(cpu);
    barrier();
    if (cpu == 0)
        gic_send(1 << 1, SGI(5));
    IRQS_ON();
    while (__atomic_load_n(&hops, __ATOMIC_ACQUIRE) < 10 * CPUS)
        asm volatile("wfe");
    IRQS_OFF();
}

// A page that CPU 0 moves: the others have it in their TLBs.

static u64 table2[512] __attribute__((aligned(4096))), table3[512] __attribute__((aligned(4096)));
static u64 one[512] __attribute__((aligned(4096))), two[512] __attribute__((aligned(4096)));
static u64 stale;
#define PAGE(address) ((u64)(address) | 0x707) // Normal, AF, inner shareable

static void map(u64 *page) {
    __atomic_store_n(&table3[5], page ? PAGE(page) : 0, __ATOMIC_RELEASE);
    asm volatile("dsb ishst\n tlbi vaae1is, %0\n dsb ish\n isb" : : "r"(0x80005000 >> 12) : "memory");
}

static void moved_page(u64 cpu) {
    volatile u64 *place = (u64 *)0x80005008;
    if (cpu == 0) {
        one[1] = 111, two[1] = 222;
        table2[0] = (u64)table3 | 3, boot_table[2] = (u64)table2 | 3;
        map(one);
    }
    barrier();
    ISB();
    __atomic_fetch_add(&stale, *place != 111, __ATOMIC_SEQ_CST);
    barrier();
    if (cpu == 0)
        map(NULL), map(two);
    barrier();
    __atomic_fetch_add(&stale, *place != 222, __ATOMIC_SEQ_CST);
    barrier();
}

static void work(u64 cpu) {
    barrier();
    atomics(cpu);
    barrier();
    if (cpu < 2)
        messages(cpu);
    ring(cpu);
    barrier();
    moved_page(cpu);
}

void second_cpu(u64 cpu) {
    __atomic_add_fetch(&present, 1, __ATOMIC_SEQ_CST);
    work(cpu);
    psci(0x84000002, 0, 0, 0); // CPU_OFF
    print("CPU_OFF came back\n");
}

int main(void) {
    extern void (*__init_array_start[])(void), (*__init_array_end[])(void);
    for (void (**one)(void) = __init_array_start; one < __init_array_end; one++)
        (*one)();
    print("PSCI %x\n", psci(0x84000000, 0, 0, 0) >> 16);
    gic_init_distributor();
    print("CPU 77: %d\n", (int64_t)start_cpu(77));
    for (u64 cpu = 1; cpu < CPUS; cpu++)
        print("CPU %d: %d\n", cpu, (int64_t)start_cpu(cpu));
    while (__atomic_load_n(&present, __ATOMIC_SEQ_CST) < CPUS)
        ;
    print("again: %d\n", (int64_t)start_cpu(1));
    work(0);
    print("locks %d %d\n", locked_count, ticket_count);
    print("atomics %x %x %x %x %x %d\n", (u64)byte_sum, (u64)half_sum, (u64)word_or, (u64)word_xor, sum, greatest);
    print("pair %x %x\n", (u64)(pair >> 64), (u64)pair);
    print("messages wrong %d, hops %d, bad interrupts %d, stale pages %d\n", wrong, hops, bad_interrupts, stale);
    while (psci(0xc4000004, 1, 0, 0) != 1) // AFFINITY_INFO
        ;
    print("CPU 1 is off\n");
    return 0;
}

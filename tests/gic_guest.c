/* A guest with two CPUs that tries all that interrupts do, and prints in which order they came.
 * GIC is the version of the interrupt controller. It prints the same on QEMU's virt board and here. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define BYTE(address) (*(volatile u8 *)(u64)(address))
#define WORD(address) (*(volatile u32 *)(u64)(address))
#define LONG(address) (*(volatile u64 *)(u64)(address))

#define UART 0x09000000UL
#define GICD 0x08000000UL
#define GICC 0x08010000UL
#define GICR(cpu) (0x080A0000UL + (cpu) * 0x20000UL)

enum { FIRST = 48, CNTV = 27, CNTP = 30, UART_INTID = 33, NESTING = 54, BETTER = 55, WORSE = 56, ELSEWHERE = 72 };
enum { HANDLER_GOES_ON = 1000 };

extern u64 psci(u64 function, u64 target, u64 entry, u64 context);
extern char _start[];

static volatile u32 order[64]; /* what the first CPU acknowledged */
static volatile int count;
static volatile int seen[2], last[2], ready;

static void put(char c)
{
    while (WORD(UART + 0x18) & 1 << 5)
        ;
    WORD(UART) = c;
}

static void text(const char *s)
{
    while (*s)
        put(*s++);
}

static void number(u32 value)
{
    if (value >= 10)
        number(value / 10);
    put('0' + value % 10);
}

static int this_cpu(void)
{
    u64 mpidr;
    asm volatile("mrs %0, mpidr_el1" : "=r"(mpidr));
    return mpidr & 0xff;
}

#if GIC == 3

static u64 private_frame(int cpu) { return GICR(cpu) + 0x10000; }

static u32 acknowledge(void)
{
    u64 value;
    asm volatile("mrs %0, S3_0_C12_C12_0; dsb sy" : "=r"(value)); /* ICC_IAR1_EL1 */
    return value;
}

static void end(u32 value) { asm volatile("msr S3_0_C12_C12_1, %0; isb" ::"r"((u64)value)); /* ICC_EOIR1_EL1 */ }
static void sgi(u64 value) { asm volatile("dsb sy; msr S3_0_C12_C11_5, %0; isb" ::"r"(value)); /* ICC_SGI1R_EL1 */ }
static void sgi_to(int cpu, u64 intid) { sgi(intid << 24 | 1 << cpu); }
static void sgi_to_others(u64 intid) { sgi(intid << 24 | 1UL << 40); }
static void route(int intid, int cpu) { LONG(GICD + 0x6000 + 8 * intid) = cpu; }

static void start_distributor(void)
{
    WORD(GICD) = 0;
    while (WORD(GICD) & 1u << 31)
        ;
    for (int word = 1; word < 4; word++)
        WORD(GICD + 0x80 + 4 * word) = ~0u;
    WORD(GICD) = 1 << 4 | 1 << 1;
}

static void start_interface(int cpu)
{
    WORD(GICR(cpu) + 0x14) &= ~2; /* GICR_WAKER */
    while (WORD(GICR(cpu) + 0x14) & 4)
        ;
    WORD(private_frame(cpu) + 0x80) = ~0u;
    asm volatile("msr S3_0_C12_C12_5, %0; isb" ::"r"(7UL));    /* ICC_SRE_EL1 */
    asm volatile("msr S3_0_C4_C6_0, %0" ::"r"(0xf0UL));        /* ICC_PMR_EL1 */
    asm volatile("msr S3_0_C12_C12_7, %0; isb" ::"r"(1UL));    /* ICC_IGRPEN1_EL1 */
}

#else

static u64 private_frame(int cpu) { return GICD; }
static u32 acknowledge(void) { return WORD(GICC + 0xc); }
static void end(u32 value) { WORD(GICC + 0x10) = value; }
static void sgi_to(int cpu, u32 intid) { WORD(GICD + 0xf00) = intid | 1 << (16 + cpu); }
static void sgi_to_others(u32 intid) { WORD(GICD + 0xf00) = intid | 1 << 24; }
static void route(int intid, int cpu) { BYTE(GICD + 0x800 + intid) = 1 << cpu; }
static void start_distributor(void) { WORD(GICD) = 1; }

static void start_interface(int cpu)
{
    WORD(GICC + 4) = 0xf0;
    WORD(GICC) = 1;
}

#endif

static void priority(int intid, u8 value) { BYTE((intid < 32 ? private_frame(0) : GICD) + 0x400 + intid) = value; }
static void enable(int intid) { WORD(GICD + 0x100 + intid / 32 * 4) = 1u << intid % 32; }
static void pend(int intid) { WORD(GICD + 0x200 + intid / 32 * 4) = 1u << intid % 32; }
static void make_edge(int intid) { WORD(GICD + 0xc00 + intid / 16 * 4) |= 2u << intid % 16 * 2; }

static void interrupts_on(void) { asm volatile("msr daifclr, #2" ::: "memory"); }
static void interrupts_off(void) { asm volatile("msr daifset, #2" ::: "memory"); }
static void start_cntv(u64 t) { asm volatile("msr cntv_tval_el0, %0; msr cntv_ctl_el0, %1; isb" ::"r"(t), "r"(1UL)); }
static void start_cntp(u64 t) { asm volatile("msr cntp_tval_el0, %0; msr cntp_ctl_el0, %1; isb" ::"r"(t), "r"(1UL)); }
static void stop_cntv(void) { asm volatile("msr cntv_ctl_el0, xzr; isb"); }
static void stop_cntp(void) { asm volatile("msr cntp_ctl_el0, xzr; isb"); }

static void settle(int how_long)
{
    for (volatile int turn = 0; turn < how_long; turn++)
        ;
}

static void nest(void)
{
    pend(BETTER);
    pend(WORSE);
    interrupts_on();
    settle(50);
    interrupts_off();
    order[count++] = HANDLER_GOES_ON;
}

void handle_irq(void)
{
    int cpu = this_cpu();
    u32 raw = acknowledge(), intid = raw & 0x3ff;
    if (intid >= 1020) {
        text("spurious\n");
        return;
    }
    if (cpu == 0)
        order[count++] = raw;
    if (intid == CNTV)
        stop_cntv();
    if (intid == CNTP)
        stop_cntp();
    if (intid == UART_INTID)
        WORD(UART + 0x38) = 0;
    if (intid == NESTING)
        nest();
    end(raw);
    if (cpu == 1 && intid == 5)
        sgi_to(0, 6);
    last[cpu] = intid;
    seen[cpu]++;
    asm volatile("dsb sy; sev" ::: "memory");
}

static void show(const char *what)
{
    interrupts_off();
    text(what);
    for (int i = 0; i < count; i++) {
        put(' ');
        number(order[i]);
    }
    put('\n');
    count = 0;
    interrupts_on();
}

static void show_last(const char *what)
{
    text(what);
    number(last[1]);
    put('\n');
}

static void wait(volatile int *counter, int value)
{
    while (*counter < value)
        asm volatile("wfe");
}

static void start_cpu(int cpu)
{
    start_interface(cpu);
    for (int intid = 0; intid < 32; intid++)
        BYTE(private_frame(cpu) + 0x400 + intid) = 0xa0;
    WORD(private_frame(cpu) + 0x180) = ~0u;
    WORD(private_frame(cpu) + 0x100) = 0xffff | 1 << CNTV | 1 << CNTP;
}

void second_cpu(void)
{
    start_cpu(1);
    interrupts_on();
    ready = 1;
    asm volatile("dsb sy; sev");
    for (;;)
        asm volatile("wfi");
}

static void start_first_cpu(void)
{
    for (int intid = FIRST; intid < 80; intid++) {
        make_edge(intid);
        route(intid, 0);
        enable(intid);
    }
    start_distributor();
    start_cpu(0);
    interrupts_on();
}

void first_cpu(void)
{
    start_first_cpu();
    text(psci(0xC4000003, 1, (u64)_start, 0) ? "no second CPU\n" : "second CPU\n"); /* CPU_ON */
    wait(&ready, 1);

    sgi_to(1, 5);
    wait(&seen[0], 1);
    show("answered by");
    sgi_to_others(7);
    wait(&seen[1], 2);
    show_last("to all others ");
    show("not to oneself");
    sgi_to(0, 9);
    settle(300);
    show("to oneself");

    start_cntv(1000);
    wait(&seen[0], 3);
    show("virtual timer");
    start_cntp(1000);
    wait(&seen[0], 4);
    show("physical timer");
    interrupts_off();
    priority(CNTP, 0x40);
    start_cntv(0);
    start_cntp(0);
    settle(300);
    interrupts_on();
    settle(300);
    show("the better timer first");

    interrupts_off();
    for (int i = 0; i < 24; i++) {
        priority(FIRST + i, 0xe0 - 8 * (i * 7 % 24));
        if (FIRST + i != NESTING)
            pend(FIRST + i);
    }
    interrupts_on();
    settle(1000);
    show("more than list registers");
    priority(NESTING, 0x80);
    priority(BETTER, 0x40);
    priority(WORSE, 0x90);
    pend(NESTING);
    settle(600);
    show("nested");

    priority(UART_INTID, 0xa0);
    route(UART_INTID, 0);
    enable(UART_INTID);
    WORD(UART + 0x44) = 0x7ff;
    put('.');
    WORD(UART + 0x38) = 1 << 5;
    settle(600);
    show(" a level");

    int before = seen[1];
    route(ELSEWHERE, 1);
    pend(ELSEWHERE);
    wait(&seen[1], before + 1);
    show_last("routed to the second CPU ");
    show("not here");

    interrupts_off();
    start_cntv(2000);
    asm volatile("wfi");
    text("a masked interrupt ends WFI\n");
    interrupts_on();
    settle(300);
    show("and is taken later");
    psci(0x84000008, 0, 0, 0); /* SYSTEM_OFF */
    for (;;)
        ;
}

/* The functions of axlab.h. */
#include "axlab.h"

enum { UART_DR = UART, UART_FR = UART + 0x18, UART_NOTHING_TYPED = 1 << 4 };

void putchar(char character) { write32(UART_DR, (uint8_t)character); }

void print(const char *text)
{
    while (*text)
        putchar(*text++);
}

bool is_typed(void) { return !(read32(UART_FR) & UART_NOTHING_TYPED); }

int getchar(void)
{
    while (!is_typed())
        ;
    return read32(UART_DR) & 0xff;
}

static void print_number(uint64_t value, unsigned base, int width, char fill, bool negative)
{
    char digits[24];
    int count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && fill == '0')
        putchar('-');
    for (int more = width - count - negative; more > 0; more--)
        putchar(fill);
    if (negative && fill != '0')
        putchar('-');
    while (count)
        putchar(digits[--count]);
}

void printf(const char *format, ...)
{
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            putchar(*format);
            continue;
        }
        char fill = *++format == '0' ? '0' : ' ';
        int width = 0;
        for (; *format >= '0' && *format <= '9'; format++)
            width = 10 * width + *format - '0';
        bool is_long = false;
        for (; *format == 'l' || *format == 'z'; format++)
            is_long = true;
        if (*format == 'd' || *format == 'i') {
            int64_t value = is_long ? __builtin_va_arg(arguments, int64_t) : __builtin_va_arg(arguments, int);
            print_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width, fill, value < 0);
        } else if (*format == 'u' || *format == 'x') {
            uint64_t value = is_long ? __builtin_va_arg(arguments, uint64_t) : __builtin_va_arg(arguments, unsigned);
            print_number(value, *format == 'u' ? 10 : 16, width, fill, false);
        } else if (*format == 'p') {
            print("0x");
            print_number(__builtin_va_arg(arguments, uint64_t), 16, width, fill, false);
        } else if (*format == 's') {
            print(__builtin_va_arg(arguments, const char *));
        } else if (*format == 'c') {
            putchar(__builtin_va_arg(arguments, int));
        } else if (*format) {
            putchar(*format);
        } else {
            break;
        }
    }
    __builtin_va_end(arguments);
}

/* --- the hypervisor --- */

int ivc_publish(uint64_t key, uint64_t *address, uint64_t *size)
{
    return hvc(HVC_IVC_PUBLISH, key, (uint64_t)address, (uint64_t)size, 0);
}

int ivc_subscribe(uint64_t publisher_vm, uint64_t key, uint64_t *address, uint64_t *size)
{
    return hvc(HVC_IVC_SUBSCRIBE, publisher_vm, key, (uint64_t)address, (uint64_t)size);
}

int ivc_unpublish(uint64_t key) { return hvc(HVC_IVC_UNPUBLISH, key, 0, 0, 0); }

int ivc_unsubscribe(uint64_t publisher_vm, uint64_t key) { return hvc(HVC_IVC_UNSUBSCRIBE, publisher_vm, key, 0, 0); }

/* --- PSCI (Arm DEN0022) --- */

enum { PSCI_VERSION = 0x84000000, PSCI_CPU_OFF = 0x84000002, PSCI_SYSTEM_OFF = 0x84000008, PSCI_SYSTEM_RESET };
#define PSCI_CPU_ON 0xc4000003UL

uint32_t psci_version(void) { return hvc(PSCI_VERSION, 0, 0, 0, 0); }

void power_off(void)
{
    for (;;)
        hvc(PSCI_SYSTEM_OFF, 0, 0, 0, 0);
}

void reset(void)
{
    for (;;)
        hvc(PSCI_SYSTEM_RESET, 0, 0, 0, 0);
}

void vcpu_off(void)
{
    for (;;)
        hvc(PSCI_CPU_OFF, 0, 0, 0, 0);
}

struct vcpu_job {
    void (*function)(uint64_t);
    uint64_t argument;
};
static struct vcpu_job jobs[8];
extern char vcpu_entry[];

int vcpu_start(int vcpu, void (*function)(uint64_t), uint64_t argument)
{
    struct vcpu_job *job = &jobs[vcpu & 7];
    job->function = function;
    job->argument = argument;
    barrier();
    return hvc(PSCI_CPU_ON, vcpu, (uint64_t)vcpu_entry, (uint64_t)job, 0);
}

/* --- interrupts: GICv3 (Arm IHI 0069) --- */

enum { GICR_STRIDE = 0x20000, SGI_FRAME = 0x10000, WAKER = 0x14, IGROUPR = 0x80, ISENABLER = 0x100, IROUTER = 0x6000 };
enum { AFFINITY_ROUTING_AND_GROUP_1 = 0x12, FIRST_SPI = 32, NONE = 1020 };

static void (*handlers[256])(void);
static volatile bool sleeping[8];

static void set_bit(uint64_t registers, int number)
{
    uint64_t address = registers + number / 32 * 4;
    write32(address, read32(address) | 1U << number % 32);
}

void on_interrupt(int intid, void (*handler)(void))
{
    uint64_t redistributor = GICR + this_vcpu() * GICR_STRIDE;
    uint64_t frame = intid < FIRST_SPI ? redistributor + SGI_FRAME : GICD;
    handlers[intid & 255] = handler;
    write32(GICD, AFFINITY_ROUTING_AND_GROUP_1);
    write32(redistributor + WAKER, 0);
    set_bit(frame + IGROUPR, intid);
    if (intid >= FIRST_SPI)
        write64(GICD + IROUTER + 8 * intid, read_register(mpidr_el1) & 0xff00ffffffUL);
    write32(frame + ISENABLER + intid / 32 * 4, 1U << intid % 32);
    write_register(icc_sre_el1, 1);
    write_register(icc_pmr_el1, 0xff);
    write_register(icc_igrpen1_el1, 1);
}

void send_interrupt(int vcpu, int sgi)
{
    barrier();
    write_register(icc_sgi1r_el1, (uint64_t)sgi << 24 | 1UL << vcpu);
}

void handle_interrupt(void)
{
    uint32_t intid = read_register(icc_iar1_el1);
    if (intid >= NONE)
        return;
    bool wakes = intid == TIMER_INTERRUPT && sleeping[this_vcpu()];
    if (intid == TIMER_INTERRUPT)
        timer_off();
    if (!wakes && intid < 256 && handlers[intid])
        handlers[intid]();
    write_register(icc_eoir1_el1, intid);
}

__attribute__((noreturn)) void handle_exception(uint64_t esr, uint64_t elr, uint64_t far)
{
    printf("\nunexpected exception: ESR 0x%lx, ELR 0x%lx, FAR 0x%lx\n", esr, elr, far);
    power_off();
}

/* --- time --- */

uint64_t microseconds(void) { return ticks() * 1000 / (ticks_per_second() / 1000); }

void timer_in(uint64_t microseconds)
{
    write_register(cntv_cval_el0, ticks() + microseconds * (ticks_per_second() / 1000) / 1000);
    write_register(cntv_ctl_el0, 1);
}

void timer_off(void) { write_register(cntv_ctl_el0, 0); }

void sleep(uint64_t microseconds_)
{
    uint64_t until = ticks() + microseconds_ * (ticks_per_second() / 1000) / 1000;
    uint64_t masks = read_register(daif);
    on_interrupt(TIMER_INTERRUPT, handlers[TIMER_INTERRUPT]);
    sleeping[this_vcpu()] = true;
    while (ticks() < until) {
        interrupts_off();               /* none comes between the question and WFI, which wakes all the same */
        write_register(cntv_cval_el0, until);
        write_register(cntv_ctl_el0, 1);
        wait_for_interrupt();
        interrupts_on();
    }
    timer_off();
    sleeping[this_vcpu()] = false;
    write_register(daif, masks);
}

/* --- several vCPUs: exclusives, without LSE --- */

void lock(lock_t *lock)
{
    uint32_t held, failed;
    __asm__ volatile(
        "1: ldaxr %w0, [%2]\n"
        "   cbnz %w0, 1b\n"
        "   stxr %w1, %w3, [%2]\n"
        "   cbnz %w1, 1b"
        : "=&r"(held), "=&r"(failed)
        : "r"(&lock->held), "r"(1)
        : "memory");
}

void unlock(lock_t *lock) { __asm__ volatile("stlr wzr, [%0]" : : "r"(&lock->held) : "memory"); }

/* --- what the compiler calls by itself --- */

void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t place = 0; place < size; place++)
        ((char *)to)[place] = ((const char *)from)[place];
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if (to <= from)
        return memcpy(to, from, size);
    while (size--)
        ((char *)to)[size] = ((const char *)from)[size];
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (size_t place = 0; place < size; place++)
        ((char *)to)[place] = value;
    return to;
}

int memcmp(const void *one, const void *other, size_t size)
{
    for (size_t place = 0; place < size; place++) {
        int difference = ((const uint8_t *)one)[place] - ((const uint8_t *)other)[place];
        if (difference)
            return difference;
    }
    return 0;
}

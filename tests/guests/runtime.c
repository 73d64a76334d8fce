// The console (PL011), PSCI and the interrupt controller of QEMU's virt board. -DGIC=2 or 3.
#include "runtime.h"

static void put(char c) {
    while (MMIO(0x09000018) & 1 << 5) // FR.TXFF
        ;
    MMIO(0x09000000) = (u8)c;
}

static void put_number(u64 value, u64 base) {
    char digits[20];
    int count = 0;
    do
        digits[count++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (count)
        put(digits[--count]);
}

void print(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        format++;
        u64 value = va_arg(arguments, u64);
        if (*format == 's')
            for (const char *text = (const char *)value; *text; text++)
                put(*text);
        else if (*format == 'c')
            put((char)value);
        else if (*format == 'd' && (int64_t)value < 0)
            put('-'), put_number(-value, 10);
        else
            put_number(value, *format == 'd' ? 10 : 16);
    }
    va_end(arguments);
}

extern void _start(void);

int start_cpu(u64 cpu) {
    return (int)psci(0xc4000003, cpu, (u64)_start, cpu);
}

#define GICD 0x08000000
#define GICC 0x08010000
#define GICR 0x080a0000
#define ICC_IAR1_EL1 s3_0_c12_c12_0
#define ICC_EOIR1_EL1 s3_0_c12_c12_1
#define ICC_IGRPEN1_EL1 s3_0_c12_c12_7
#define ICC_SGI1R_EL1 s3_0_c12_c11_5
#define ICC_SRE_EL1 s3_0_c12_c12_5
#define ICC_PMR_EL1 s3_0_c4_c6_0

#if GIC == 2

void gic_init_distributor(void) {
    MMIO(GICD) = 1;
}

void gic_init_cpu(u64 cpu) {
    MMIO(GICD + 0x100) = 0xffff | 1 << VIRTUAL_TIMER; // ISENABLER0
    MMIO(GICC + 4) = 0xff;                            // PMR
    MMIO(GICC) = 1;
}

void gic_send(u64 cpus, u64 sgi) {
    DSB();
    MMIO(GICD + 0xf00) = cpus << 16 | sgi;
}

u64 gic_acknowledge(void) {
    return MMIO(GICC + 0xc);
}

void gic_end(u64 intid) {
    MMIO(GICC + 0x10) = intid;
}

#else

void gic_init_distributor(void) {
    MMIO(GICD) = 0x10 | 2; // ARE, EnableGrp1
}

void gic_init_cpu(u64 cpu) {
    u64 frame = GICR + cpu * 0x20000;
    MMIO(frame + 0x14) = 0;                  // WAKER.ProcessorSleep
    while (MMIO(frame + 0x14) & 1 << 2)      // WAKER.ChildrenAsleep
        ;
    MMIO(frame + 0x10080) = ~0u;             // IGROUPR0
    MMIO(frame + 0x10100) = 0xffff | 1 << VIRTUAL_TIMER;
    WRITE(ICC_SRE_EL1, 1);
    ISB();
    WRITE(ICC_PMR_EL1, 0xff);
    WRITE(ICC_IGRPEN1_EL1, 1);
    ISB();
}

void gic_send(u64 cpus, u64 sgi) {
    DSB();
    WRITE(ICC_SGI1R_EL1, sgi << 24 | cpus);
    ISB();
}

u64 gic_acknowledge(void) {
    return READ(ICC_IAR1_EL1);
}

void gic_end(u64 intid) {
    WRITE(ICC_EOIR1_EL1, intid);
}

#endif

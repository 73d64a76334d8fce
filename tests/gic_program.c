/* Does a list of GIC accesses at EL1 of a QEMU virt board and prints what it reads, a hexadecimal number a line.
 * The list is at 0x41000000 and ends with kind 0: see Operation in test_gic_against_qemu.py. */
typedef unsigned int u32;
typedef unsigned long u64;

struct operation { u32 kind, which; u64 address, value; };

#define OPERATIONS ((volatile struct operation *)0x41000000)
#define UART ((volatile u32 *)0x09000000)

enum { READ = 1, WRITE, MRS, MSR };

#define FROM(number, name) case number: asm volatile("mrs %0, " name : "=r"(value)); break;
#define TO(number, name) case number: asm volatile("msr " name ", %0; isb" :: "r"(value)); break;

static u64 mrs(u32 which)
{
    u64 value = 0;
    switch (which) {
    FROM(0, "S3_0_C4_C6_0")   /* ICC_PMR_EL1 */
    FROM(1, "S3_0_C12_C8_0")  /* ICC_IAR0_EL1 */
    FROM(2, "S3_0_C12_C12_0") /* ICC_IAR1_EL1 */
    FROM(6, "S3_0_C12_C8_2")  /* ICC_HPPIR0_EL1 */
    FROM(7, "S3_0_C12_C12_2") /* ICC_HPPIR1_EL1 */
    FROM(8, "S3_0_C12_C8_3")  /* ICC_BPR0_EL1 */
    FROM(9, "S3_0_C12_C12_3") /* ICC_BPR1_EL1 */
    FROM(10, "S3_0_C12_C8_4") /* ICC_AP0R0_EL1 */
    FROM(11, "S3_0_C12_C9_0") /* ICC_AP1R0_EL1 */
    FROM(12, "S3_0_C12_C11_3") /* ICC_RPR_EL1 */
    }
    return value;
}

static void msr(u32 which, u64 value)
{
    switch (which) {
    TO(0, "S3_0_C4_C6_0")
    TO(3, "S3_0_C12_C8_1")   /* ICC_EOIR0_EL1 */
    TO(4, "S3_0_C12_C12_1")  /* ICC_EOIR1_EL1 */
    TO(5, "S3_0_C12_C11_1")  /* ICC_DIR_EL1 */
    TO(8, "S3_0_C12_C8_3")
    TO(9, "S3_0_C12_C12_3")
    TO(13, "S3_0_C12_C12_4") /* ICC_CTLR_EL1 */
    TO(14, "S3_0_C12_C12_6") /* ICC_IGRPEN0_EL1 */
    TO(15, "S3_0_C12_C12_7") /* ICC_IGRPEN1_EL1 */
    }
}

static void print(u64 value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *UART = "0123456789abcdef"[value >> shift & 15];
    *UART = '\n';
}

static u64 load(u32 width, u64 address)
{
    return width == 1 ? *(volatile unsigned char *)address : *(volatile u32 *)address;
}

static void store(u32 width, u64 address, u64 value)
{
    if (width == 1)
        *(volatile unsigned char *)address = value;
    else
        *(volatile u32 *)address = value;
}

void _start(void)
{
    asm volatile("mov sp, %0" :: "r"(0x40c00000UL));
    for (volatile struct operation *o = OPERATIONS; o->kind; o++) {
        asm volatile("dsb sy; isb");
        switch (o->kind) {
        case READ: print(load(o->which, o->address)); break;
        case WRITE: store(o->which, o->address, o->value); break;
        case MRS: print(mrs(o->which)); break;
        case MSR: msr(o->which, o->value); break;
        }
    }
    asm volatile("mov x0, %0; hvc #0" :: "r"(0x84000008UL) : "x0"); /* PSCI SYSTEM_OFF */
    for (;;)
        ;
}

// What the test guests share: system registers, the console, PSCI, the interrupt controller.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define READ(name) ({ u64 value_; asm volatile("mrs %0, " STRING(name) : "=r"(value_) : : "memory"); value_; })
#define WRITE(name, value) asm volatile("msr " STRING(name) ", %x0" : : "rZ"((u64)(value)) : "memory")
#define ISB() asm volatile("isb" : : : "memory")
#define DSB() asm volatile("dsb ish" : : : "memory")
#define IRQS_ON() asm volatile("msr daifclr, #2" : : : "memory")
#define IRQS_OFF() asm volatile("msr daifset, #2" : : : "memory")
#define MMIO(address) (*(volatile u32 *)(u64)(address))

struct context {
    u64 x[31], sp_el0, elr, spsr;
};

struct context *exception(struct context *, int vector); // the guest's own; vector 0 to 15 as in the table
void resume(struct context *) __attribute__((noreturn));
void power_off(void) __attribute__((noreturn));
u64 psci(u64 function, u64 a, u64 b, u64 c);
void save_simd(void *), load_simd(const void *);
void second_cpu(u64 cpu);

void print(const char *format, ...); // %d %x %s %c, all of them 64 bits wide
int start_cpu(u64 cpu);

#define SGI(n) (n)
#define VIRTUAL_TIMER 27
#define SPURIOUS 1023
void gic_init_distributor(void);
void gic_init_cpu(u64 cpu); // enables all SGIs and the virtual timer
void gic_send(u64 cpus, u64 sgi);
u64 gic_acknowledge(void);
void gic_end(u64 intid);

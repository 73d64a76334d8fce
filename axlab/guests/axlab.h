/* What a guest in C has: no libc, but a console, interrupts, time, other vCPUs and the hypervisor.
 *
 *     #include "axlab.h"
 *     int main(void) { printf("Hello\n"); return 0; }
 *
 * `main` runs at EL1 on vCPU 0 with the MMU off; when it returns, the VM is powered off. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- console --- */
void putchar(char character);
void print(const char *text);
int getchar(void);              /* the next character that was typed; waits for it */
bool is_typed(void);            /* whether there is one */
__attribute__((format(printf, 1, 2)))
void printf(const char *format, ...);   /* %d %u %x %s %c %p %%, with l and a width such as %08lx */

/* --- memory-mapped registers --- */
static inline uint8_t read8(uint64_t address) { return *(volatile uint8_t *)address; }
static inline uint16_t read16(uint64_t address) { return *(volatile uint16_t *)address; }
static inline uint32_t read32(uint64_t address) { return *(volatile uint32_t *)address; }
static inline uint64_t read64(uint64_t address) { return *(volatile uint64_t *)address; }
static inline void write8(uint64_t address, uint8_t value) { *(volatile uint8_t *)address = value; }
static inline void write16(uint64_t address, uint16_t value) { *(volatile uint16_t *)address = value; }
static inline void write32(uint64_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
static inline void write64(uint64_t address, uint64_t value) { *(volatile uint64_t *)address = value; }

#define UART 0x09000000UL
#define GICD 0x08000000UL
#define GICR 0x080a0000UL

/* --- system registers: read_register(cntvct_el0), write_register(cntv_ctl_el0, 1) --- */
#define read_register(name) \
    ({ uint64_t value_; __asm__ volatile("mrs %0, " #name : "=r"(value_)); value_; })
#define write_register(name, value) \
    __asm__ volatile("msr " #name ", %0\n isb" : : "r"((uint64_t)(value)) : "memory")

/* --- the hypervisor: one HVC --- */
static inline int64_t hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
    register uint64_t x4 __asm__("x4") = d;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4) : : "memory");
    return (int64_t)x0;
}

/* AxVisor's hypercalls: 0, or -1 where one fails. A channel is memory that two VMs share. */
enum { HVC_DEBUG = 2, HVC_IVC_PUBLISH, HVC_IVC_SUBSCRIBE, HVC_IVC_UNPUBLISH, HVC_IVC_UNSUBSCRIBE };
int ivc_publish(uint64_t key, uint64_t *address, uint64_t *size);
int ivc_subscribe(uint64_t publisher_vm, uint64_t key, uint64_t *address, uint64_t *size);
int ivc_unpublish(uint64_t key);
int ivc_unsubscribe(uint64_t publisher_vm, uint64_t key);

/* --- PSCI: power --- */
uint32_t psci_version(void);    /* major in bits 31-16, minor below */
__attribute__((noreturn)) void power_off(void);
__attribute__((noreturn)) void reset(void);
__attribute__((noreturn)) void vcpu_off(void);
int vcpu_start(int vcpu, void (*function)(uint64_t), uint64_t argument);    /* 0, or PSCI's error */
static inline int this_vcpu(void) { return read_register(mpidr_el1) & 0xff; }

/* --- interrupts: on this vCPU --- */
enum { TIMER_INTERRUPT = 27, UART_INTERRUPT = 33 };
void on_interrupt(int intid, void (*handler)(void));    /* and let it in; SPIs go to this vCPU */
void send_interrupt(int vcpu, int sgi);                 /* sgi 0 to 15 */
static inline void interrupts_on(void) { __asm__ volatile("msr daifclr, #2" : : : "memory"); }
static inline void interrupts_off(void) { __asm__ volatile("msr daifset, #2" : : : "memory"); }
/* WFI wakes also for an interrupt that is masked: ask for what you wait for with interrupts off, or it may come
 * between the question and WFI, which then sleeps. */
static inline void wait_for_interrupt(void) { __asm__ volatile("wfi" : : : "memory"); }

/* --- time: the virtual timer and its interrupt --- */
static inline uint64_t ticks(void) { return read_register(cntvct_el0); }
static inline uint64_t ticks_per_second(void) { return read_register(cntfrq_el0); }
uint64_t microseconds(void);                /* since the VM was started */
void timer_in(uint64_t microseconds);       /* TIMER_INTERRUPT comes once, then */
void timer_off(void);
void sleep(uint64_t microseconds);          /* in WFI, with the timer; other interrupts are handled meanwhile */

/* --- several vCPUs --- */
typedef struct { volatile uint32_t held; } lock_t;
void lock(lock_t *lock);
void unlock(lock_t *lock);
#define barrier() __asm__ volatile("dmb ish" : : : "memory")

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

// An ordinary program for Linux, statically linked with the C library. It runs at EL0 of kernel.c.
#include <ctype.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf back;
static char big[40000];

static int by_length(const void *a, const void *b) {
    const char *one = *(char *const *)a, *two = *(char *const *)b;
    return strlen(one) != strlen(two) ? (int)strlen(one) - (int)strlen(two) : strcmp(one, two);
}

static unsigned hash(const char *text) {
    unsigned value = 5381;
    while (*text)
        value = value * 33 ^ (unsigned char)*text++;
    return value;
}

static int depth(int n) {
    volatile char room[2000];
    room[0] = (char)n;
    return n ? depth(n - 1) + room[0] : 0;
}

static unsigned long counter(void) {
    unsigned long value;
    asm volatile("isb\n mrs %0, cntvct_el0" : "=r"(value));
    return value;
}

int main(int count, char **arguments) {
    printf("%s has %d argument(s), home %s\n", arguments[0], count - 1, getenv("HOME"));
    char text[] = "the quick brown fox jumps over the lazy dog and runs away", *words[20], *rest = text;
    int found = 0;
    for (char *word; (word = strsep(&rest, " "));)
        words[found++] = strdup(word);
    qsort(words, found, sizeof words[0], by_length);
    for (int n = 0; n < found; n++)
        printf("%s%c", words[n], n + 1 < found ? ' ' : '\n');
    unsigned sum = 0;
    char *buffer = NULL;
    for (int n = 1; n < 60; n++) {
        buffer = realloc(buffer, n * 50);
        sprintf(buffer + (n > 1 ? strlen(buffer) : 0), "[%-6d|%06x|%+ld]", n * n, n * 4096 + 7, -n * 1000000007l);
        sum += hash(buffer) + (unsigned)strtol(buffer + 1, NULL, 10);
    }
    memset(big, 'x', sizeof big - 1);
    memmove(big + 100, big, 20000);
    printf("hash %08x, %zu, %d, %s\n", sum, strlen(big), toupper(big[777]), strstr(buffer, "[3481") ? "found" : "lost");
    if (setjmp(back) == 0)
        longjmp(back, 1);
    else
        printf("back again, %d deep\n", depth(30));
    volatile char *fresh = malloc(30000);
    fresh[9000] = (char)(fresh[9000] + fresh[16000] + fresh[25000] + 1);
    printf("fresh memory %d %d\n", fresh[9000], fresh[20000]);
    for (unsigned long begin = counter(); counter() - begin < strtoul(arguments[1], NULL, 0);)
        ;
    if (count > 2) {
        fflush(stdout);
        *(volatile int *)0x1230 = 1;
    }
    return 42;
}

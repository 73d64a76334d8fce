// sleep: a guest that waits for an interrupt which never comes.

        .global _start
_start:
        wfi
        b       _start

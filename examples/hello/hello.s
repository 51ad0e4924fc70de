# A Linux program of eight instructions: `softmetal asm examples/hello/hello.s -o hello && softmetal run hello`
_start: li   a0, 1              # write(1, text, 6)
        la   a1, text
        li   a2, 6
        li   a7, 64
        ecall
        li   a0, 0              # exit(0)
        li   a7, 93
        ecall
text:   .string "hello\n"

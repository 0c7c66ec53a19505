// A leaf function that keeps its variables in the red zone, with a probe on a 5-byte nop between writing and reading them.
#include <stdio.h>

long leaf(long x);

asm(".text\n"
    ".globl leaf\n"
    ".type leaf, @function\n"
    "leaf:\n"
    "  mov %rdi, -8(%rsp)\n"
    "  mov %rdi, -16(%rsp)\n"
    "  mov %rdi, -24(%rsp)\n"
    "  mov %rdi, -32(%rsp)\n"
    "990: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
    "  mov -8(%rsp), %rax\n"
    "  add -16(%rsp), %rax\n"
    "  add -24(%rsp), %rax\n"
    "  add -32(%rsp), %rax\n"
    "  ret\n"
    ".size leaf, . - leaf\n"
    ".pushsection .note.stapsdt, \"\", \"note\"\n"
    "  .balign 4\n"
    "  .4byte 992f-991f, 994f-993f, 3\n"
    "991: .asciz \"stapsdt\"\n"
    "992: .balign 4\n"
    "993: .8byte 990b, _.stapsdt.base, 0\n"
    "  .asciz \"t\"\n"
    "  .asciz \"leaf\"\n"
    "  .asciz \"-8@%rdi\"\n"
    "994: .balign 4\n"
    ".popsection\n"
    ".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n"
    ".weak _.stapsdt.base\n"
    ".hidden _.stapsdt.base\n"
    "_.stapsdt.base: .space 1\n"
    ".popsection\n");

int main(void) {
  char line[4096];
  long n;
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  while (fgets(line, sizeof line, stdin) && sscanf(line, "leaf %ld", &n) == 1) {
    long wrong = 0;
    for (long i = 0; i < n; i++) wrong += leaf(i) != 4 * i;
    printf("%ld wrong\n", wrong);
  }
  return 0;
}

/* stapes.h: static USDT probes for C and C++ on Linux, in one file.

   A probe costs one nop until somebody listens. stapes, bpftrace, bcc, perf, gdb and SystemTap find it in the file's notes.

       STAPES_PROBE(myapp, cache_hit, key, shard);              arguments evaluated always
       STAPES_PROBE_LAZY(myapp, big, expensive());              evaluated only while somebody listens
       if (STAPES_ENABLED(myapp, big)) { ... }                  the same question, asked aloud
       STAPES_DEFINE_SEMAPHORE(myapp, big)                      at file scope, where no site of the file does

   Up to 12 arguments: integers and enums of every size, bool, float, double, pointers; char pointers are text.
   All sites and tests of a probe in a program or library share one semaphore, whatever language they are written in.

   x86-64 and aarch64, gcc and clang, C11 and C++17 (GNU extensions are used under other names, so that -std=c11 will do).
   Elsewhere, and with STAPES_DISABLE, nothing is emitted. The assembler has to know SHF_LINK_ORDER and SHF_GNU_RETAIN
   (binutils 2.36, or clang's own); with STAPES_OLD_ASSEMBLER it need not, but then linkers that collect unused functions
   leave the notes of these functions behind.

   With STAPES_COMPATIBLE_NAMES, the macros of other headers are defined as well: DTRACE_PROBEn, STAP_PROBEn and
   STAP_PROBEV of SystemTap's sys/sdt.h; FOLLY_SDT and its kin of folly.

   Licence: MIT or Apache-2.0, at your choice. */
#ifndef STAPES_H
#define STAPES_H

#if !defined(STAPES_DISABLE) && defined(__linux__) && defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__))
#define STAPES_ACTIVE_ 1
#else
#define STAPES_ACTIVE_ 0
#endif

/* What arguments mean: the kinds of .note.stapes, in their bits of the meaning. */
#define STAPES_UNSIGNED_ 4
#define STAPES_SIGNED_ 8
#define STAPES_BOOL_ 12
#define STAPES_CHAR32_ 16
#define STAPES_FLOAT_ 20
#define STAPES_POINTER_ 24
#define STAPES_C_STRING_ 28
#define STAPES_STRING_ 32
#define STAPES_BYTES_ 36
#define STAPES_C_STRING_WITH_LENGTH_ 40
#define STAPES_OPTIONAL_ 128
/* Not a meaning: the value belongs to the argument before. */
#define STAPES_BELONGS_ 255

#ifdef __CHAR_UNSIGNED__
#define STAPES_PLAIN_CHAR_ STAPES_UNSIGNED_
#else
#define STAPES_PLAIN_CHAR_ STAPES_SIGNED_
#endif

/* STAPES_INFER_(x): the meaning that the type of x has, with log2 of its size; a constant.
   STAPES_VALUE_(x): x as an integer or pointer: arrays as the address of their first element, floats as their bits. */
#ifdef __cplusplus
#include <cstring>
#include <type_traits>
namespace stapes_detail {
template <typename T> constexpr int log2_size() { return sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3; }
template <typename T, bool = std::is_enum<T>::value> struct plain { typedef T type; };
template <typename T> struct plain<T, true> { typedef typename std::underlying_type<T>::type type; };
template <typename D> constexpr int infer() {
    typedef typename plain<D>::type T;
    static_assert(sizeof(T) <= 8 && (std::is_integral<T>::value || std::is_floating_point<T>::value ||
                  std::is_pointer<T>::value || std::is_null_pointer<T>::value),
                  "a probe passes integers, enums, floats, doubles and pointers");
    return (std::is_same<T, bool>::value ? STAPES_BOOL_
            : std::is_same<T, char32_t>::value ? STAPES_CHAR32_
            : std::is_floating_point<T>::value ? STAPES_FLOAT_
            : std::is_same<T, char *>::value || std::is_same<T, const char *>::value ? STAPES_C_STRING_
            : std::is_integral<T>::value ? (std::is_signed<T>::value ? STAPES_SIGNED_ : STAPES_UNSIGNED_)
            : STAPES_POINTER_) | log2_size<T>();
}
template <typename T> __attribute__((always_inline)) inline constexpr T value(T x) { return x; }
__attribute__((always_inline)) inline unsigned value(float x) { unsigned y; std::memcpy(&y, &x, sizeof y); return y; }
__attribute__((always_inline)) inline unsigned long long value(double x) {
    unsigned long long y; std::memcpy(&y, &x, sizeof y); return y;
}
}
#define STAPES_INFER_(x) (::stapes_detail::infer<std::decay<decltype(x)>::type>())
#define STAPES_VALUE_(x) (::stapes_detail::value(x))
#else
static inline __attribute__((always_inline, unused)) unsigned stapes_float_(float x) {
    union { float f; unsigned u; } y; y.f = x; return y.u;
}
static inline __attribute__((always_inline, unused)) unsigned long long stapes_double_(double x) {
    union { double f; unsigned long long u; } y; y.f = x; return y.u;
}
#define STAPES_INFER_(x) _Generic((x), _Bool: STAPES_BOOL_ | 0, char: STAPES_PLAIN_CHAR_ | 0, \
    signed char: STAPES_SIGNED_ | 0, unsigned char: STAPES_UNSIGNED_ | 0, short: STAPES_SIGNED_ | 1, \
    unsigned short: STAPES_UNSIGNED_ | 1, int: STAPES_SIGNED_ | 2, unsigned: STAPES_UNSIGNED_ | 2, \
    long: STAPES_SIGNED_ | 3, unsigned long: STAPES_UNSIGNED_ | 3, long long: STAPES_SIGNED_ | 3, \
    unsigned long long: STAPES_UNSIGNED_ | 3, float: STAPES_FLOAT_ | 2, double: STAPES_FLOAT_ | 3, \
    char *: STAPES_C_STRING_ | 3, const char *: STAPES_C_STRING_ | 3, default: STAPES_POINTER_ | 3)
#define STAPES_VALUE_(x) _Generic((x), \
    float: stapes_float_(_Generic((x), float: (x), default: 0.0f)), \
    double: stapes_double_(_Generic((x), double: (x), default: 0.0)), \
    default: (1 ? (x) : (x)))
#endif

#define STAPES_SIZE_(x) ((STAPES_INFER_(x) & 124) == STAPES_SIGNED_ ? -(1 << (STAPES_INFER_(x) & 3)) : 1 << (STAPES_INFER_(x) & 3))
#define STAPES_MEANING_(x, kind) ((kind) == STAPES_BELONGS_ ? STAPES_BELONGS_ \
    : ((kind) & 124) ? ((kind) | (STAPES_INFER_(x) & 3)) : ((kind) | STAPES_INFER_(x)))

#define STAPES_TEXT_(x) STAPES_TEXT_2_(x)
#define STAPES_TEXT_2_(x) #x

/* Parts of an argument, which is (value, kind, name, type). */
#define STAPES_FIRST_(v, k, n, t) v
#define STAPES_KIND_(v, k, n, t) k
#define STAPES_NAME_(v, k, n, t) n
#define STAPES_TYPE_(v, k, n, t) t

#if STAPES_ACTIVE_

#ifdef __x86_64__
/* nop, and a nop of 10 bytes. */
#define STAPES_CODE_ "nop\n.byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n"
#define STAPES_PAGE_ "4096"
#define STAPES_OPERAND_(x) "nr"(STAPES_VALUE_(x))
#define STAPES_PLACE_(offset) #offset "(%[stapes_array])"
#else
#define STAPES_CODE_ "nop\n"
#define STAPES_PAGE_ "65536"
/* The compiler names the whole register only for a whole value. */
#define STAPES_OPERAND_(x) "nr"((unsigned long long)(STAPES_VALUE_(x)))
#define STAPES_PLACE_(offset) "[%[stapes_array], " #offset "]"
#endif

#ifdef STAPES_OLD_ASSEMBLER
#define STAPES_TIED_ "\"\", \"note\"\n"
#define STAPES_KEPT_ ""
#define STAPES_RETAINED_ "G"
#else
/* A note lives as long as its code: SHF_LINK_ORDER. The section stapes_sites makes mold, which does not know that, keep the
   code. SHF_GNU_RETAIN keeps what has to stay. */
#define STAPES_TIED_ "\"o\", %%note, .Lstapes_site_%=\n"
#define STAPES_KEPT_ ".pushsection stapes_sites, \"ao\", %%progbits, .Lstapes_site_%=\n" \
    ".reloc 0, BFD_RELOC_NONE, .Lstapes_site_%=\n.popsection\n"
#define STAPES_RETAINED_ "GR"
#endif

/* The semaphore: a weak, hidden symbol in a group of its own; and an empty aligned group, so that it shares no page of the
   file with what becomes read-only. `pc` is the sign that begins the word progbits. */
#define STAPES_SYMBOL_(provider, name) "stapes_semaphore." #provider "." #name
#define STAPES_SEMAPHORE_(symbol, pc) \
    ".ifndef " symbol "\n" \
    ".pushsection .probes, \"aw" STAPES_RETAINED_ "\", " pc "progbits, " symbol ", comdat\n" \
    ".weak " symbol "\n.hidden " symbol "\n.type " symbol ", " pc "object\n.size " symbol ", 2\n" \
    ".balign 2\n" symbol ": .2byte 0\n.popsection\n.endif\n" \
    ".ifndef stapes_semaphore_page\n" \
    ".pushsection .probes, \"aw" STAPES_RETAINED_ "\", " pc "progbits, stapes_semaphore_page, comdat\n" \
    ".weak stapes_semaphore_page\n.hidden stapes_semaphore_page\n.balign " STAPES_PAGE_ "\n" \
    "stapes_semaphore_page:\n.popsection\n.endif\n"
#define STAPES_SEMAPHORE_0_(symbol)
#define STAPES_SEMAPHORE_1_(symbol) STAPES_SEMAPHORE_(symbol, "%%")
#define STAPES_ADDRESS_0_(symbol) "0"
#define STAPES_ADDRESS_1_(symbol) symbol

/* The site: its code, and its notes. `specs` are the arguments for .note.stapsdt, `means` those for .note.stapes. */
#define STAPES_SITE_(provider, name, counted, specs, means, ...) \
    __asm__ __volatile__( \
        STAPES_SEMAPHORE_##counted##_(STAPES_SYMBOL_(provider, name)) \
        ".ifndef _.stapsdt.base\n" \
        ".pushsection .stapsdt.base, \"a" STAPES_RETAINED_ "\", %%progbits, .stapsdt.base, comdat\n" \
        ".weak _.stapsdt.base\n.hidden _.stapsdt.base\n" \
        "_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n.popsection\n.endif\n" \
        ".Lstapes_site_%=:\n" STAPES_CODE_ STAPES_KEPT_ \
        ".pushsection .note.stapsdt, " STAPES_TIED_ \
        ".balign 4\n.4byte 8, 9922f - 9921f, 3\n.asciz \"stapsdt\"\n" \
        "9921: .8byte .Lstapes_site_%=, _.stapsdt.base, " STAPES_ADDRESS_##counted##_(STAPES_SYMBOL_(provider, name)) "\n" \
        ".asciz \"" #provider "\"\n.asciz \"" #name "\"\n" specs ".byte 0\n" \
        "9922: .balign 4\n.popsection\n" \
        ".pushsection .note.stapes, " STAPES_TIED_ \
        ".balign 4\n.4byte 7, 9924f - 9923f, 1\n.asciz \"stapes\"\n.balign 4\n" \
        "9923: .8byte .Lstapes_site_%=, _.stapsdt.base\n" means ".byte 0\n" \
        "9924: .balign 4\n.popsection\n" \
        : : __VA_ARGS__ : "memory")

#define STAPES_SPEC_(i, space) ".ascii \"" space "%c[s" #i "]@%[a" #i "]\"\n"
#define STAPES_STORED_SPEC_(i, space, offset) ".ascii \"" space "%c[s" #i "]@" STAPES_PLACE_(offset) "\"\n"
#define STAPES_MEANS_(i, argument) ".if %c[m" #i "] != 255\n.byte %c[m" #i "]\n" \
    ".asciz \"" STAPES_NAME_ argument "\"\n.asciz \"" STAPES_TYPE_ argument "\"\n.endif\n"
#define STAPES_CONSTANTS_(i, argument) [s##i] "n"(STAPES_SIZE_(STAPES_FIRST_ argument)), \
    [m##i] "n"(STAPES_MEANING_(STAPES_FIRST_ argument, STAPES_KIND_ argument))
#define STAPES_OPERANDS_(i, argument) STAPES_CONSTANTS_(i, argument), [a##i] STAPES_OPERAND_(STAPES_FIRST_ argument)
#define STAPES_STORED_(argument) (unsigned long long)(STAPES_VALUE_(STAPES_FIRST_ argument))

/* STAPES_DECLARED_N_(provider, name, 1 or 0 for a semaphore or none, arguments): a site. From seven arguments on, they lie in
   an array. */
#define STAPES_DECLARED_0_(p, n, c) do { STAPES_SITE_(p, n, c, "", "", "i"(0)); } while (0)
#define STAPES_DECLARED_1_(p, n, c, a1) do { STAPES_SITE_(p, n, c, \
        STAPES_SPEC_(1, ""), \
        STAPES_MEANS_(1, a1), \
        STAPES_OPERANDS_(1, a1)); } while (0)
#define STAPES_DECLARED_2_(p, n, c, a1, a2) do { STAPES_SITE_(p, n, c, \
        STAPES_SPEC_(1, "") STAPES_SPEC_(2, " "), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2), \
        STAPES_OPERANDS_(1, a1), \
        STAPES_OPERANDS_(2, a2)); } while (0)
#define STAPES_DECLARED_3_(p, n, c, a1, a2, a3) do { STAPES_SITE_(p, n, c, \
        STAPES_SPEC_(1, "") STAPES_SPEC_(2, " ") STAPES_SPEC_(3, " "), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3), \
        STAPES_OPERANDS_(1, a1), \
        STAPES_OPERANDS_(2, a2), \
        STAPES_OPERANDS_(3, a3)); } while (0)
#define STAPES_DECLARED_4_(p, n, c, a1, a2, a3, a4) do { STAPES_SITE_(p, n, c, \
        STAPES_SPEC_(1, "") STAPES_SPEC_(2, " ") STAPES_SPEC_(3, " ") STAPES_SPEC_(4, " "), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4), \
        STAPES_OPERANDS_(1, a1), \
        STAPES_OPERANDS_(2, a2), \
        STAPES_OPERANDS_(3, a3), \
        STAPES_OPERANDS_(4, a4)); } while (0)
#define STAPES_DECLARED_5_(p, n, c, a1, a2, a3, a4, a5) do { STAPES_SITE_(p, n, c, \
        STAPES_SPEC_(1, "") STAPES_SPEC_(2, " ") STAPES_SPEC_(3, " ") STAPES_SPEC_(4, " ") STAPES_SPEC_(5, " "), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) STAPES_MEANS_(5, a5), \
        STAPES_OPERANDS_(1, a1), \
        STAPES_OPERANDS_(2, a2), \
        STAPES_OPERANDS_(3, a3), \
        STAPES_OPERANDS_(4, a4), \
        STAPES_OPERANDS_(5, a5)); } while (0)
#define STAPES_DECLARED_6_(p, n, c, a1, a2, a3, a4, a5, a6) do { STAPES_SITE_(p, n, c, \
        STAPES_SPEC_(1, "") STAPES_SPEC_(2, " ") STAPES_SPEC_(3, " ") STAPES_SPEC_(4, " ") STAPES_SPEC_(5, " ") STAPES_SPEC_(6, " "), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) STAPES_MEANS_(5, a5) STAPES_MEANS_(6, a6), \
        STAPES_OPERANDS_(1, a1), \
        STAPES_OPERANDS_(2, a2), \
        STAPES_OPERANDS_(3, a3), \
        STAPES_OPERANDS_(4, a4), \
        STAPES_OPERANDS_(5, a5), \
        STAPES_OPERANDS_(6, a6)); } while (0)
#define STAPES_DECLARED_7_(p, n, c, a1, a2, a3, a4, a5, a6, a7) do { \
    const unsigned long long stapes_array_[] = { STAPES_STORED_(a1), STAPES_STORED_(a2), STAPES_STORED_(a3), STAPES_STORED_(a4), \
        STAPES_STORED_(a5), STAPES_STORED_(a6), STAPES_STORED_(a7) }; \
    STAPES_SITE_(p, n, c, \
        STAPES_STORED_SPEC_(1, "", 0) STAPES_STORED_SPEC_(2, " ", 8) STAPES_STORED_SPEC_(3, " ", 16) \
        STAPES_STORED_SPEC_(4, " ", 24) STAPES_STORED_SPEC_(5, " ", 32) STAPES_STORED_SPEC_(6, " ", 40) \
        STAPES_STORED_SPEC_(7, " ", 48), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) \
        STAPES_MEANS_(5, a5) STAPES_MEANS_(6, a6) STAPES_MEANS_(7, a7), \
        [stapes_array] "r"(stapes_array_), STAPES_CONSTANTS_(1, a1), STAPES_CONSTANTS_(2, a2), STAPES_CONSTANTS_(3, a3), \
        STAPES_CONSTANTS_(4, a4), STAPES_CONSTANTS_(5, a5), STAPES_CONSTANTS_(6, a6), \
        STAPES_CONSTANTS_(7, a7)); } while (0)
#define STAPES_DECLARED_8_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8) do { \
    const unsigned long long stapes_array_[] = { STAPES_STORED_(a1), STAPES_STORED_(a2), STAPES_STORED_(a3), STAPES_STORED_(a4), \
        STAPES_STORED_(a5), STAPES_STORED_(a6), STAPES_STORED_(a7), STAPES_STORED_(a8) }; \
    STAPES_SITE_(p, n, c, \
        STAPES_STORED_SPEC_(1, "", 0) STAPES_STORED_SPEC_(2, " ", 8) STAPES_STORED_SPEC_(3, " ", 16) \
        STAPES_STORED_SPEC_(4, " ", 24) STAPES_STORED_SPEC_(5, " ", 32) STAPES_STORED_SPEC_(6, " ", 40) \
        STAPES_STORED_SPEC_(7, " ", 48) STAPES_STORED_SPEC_(8, " ", 56), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) \
        STAPES_MEANS_(5, a5) STAPES_MEANS_(6, a6) STAPES_MEANS_(7, a7) STAPES_MEANS_(8, a8), \
        [stapes_array] "r"(stapes_array_), STAPES_CONSTANTS_(1, a1), STAPES_CONSTANTS_(2, a2), STAPES_CONSTANTS_(3, a3), \
        STAPES_CONSTANTS_(4, a4), STAPES_CONSTANTS_(5, a5), STAPES_CONSTANTS_(6, a6), \
        STAPES_CONSTANTS_(7, a7), STAPES_CONSTANTS_(8, a8)); } while (0)
#define STAPES_DECLARED_9_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9) do { \
    const unsigned long long stapes_array_[] = { STAPES_STORED_(a1), STAPES_STORED_(a2), STAPES_STORED_(a3), STAPES_STORED_(a4), \
        STAPES_STORED_(a5), STAPES_STORED_(a6), STAPES_STORED_(a7), STAPES_STORED_(a8), \
        STAPES_STORED_(a9) }; \
    STAPES_SITE_(p, n, c, \
        STAPES_STORED_SPEC_(1, "", 0) STAPES_STORED_SPEC_(2, " ", 8) STAPES_STORED_SPEC_(3, " ", 16) \
        STAPES_STORED_SPEC_(4, " ", 24) STAPES_STORED_SPEC_(5, " ", 32) STAPES_STORED_SPEC_(6, " ", 40) \
        STAPES_STORED_SPEC_(7, " ", 48) STAPES_STORED_SPEC_(8, " ", 56) STAPES_STORED_SPEC_(9, " ", 64), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) \
        STAPES_MEANS_(5, a5) STAPES_MEANS_(6, a6) STAPES_MEANS_(7, a7) STAPES_MEANS_(8, a8) \
        STAPES_MEANS_(9, a9), \
        [stapes_array] "r"(stapes_array_), STAPES_CONSTANTS_(1, a1), STAPES_CONSTANTS_(2, a2), STAPES_CONSTANTS_(3, a3), \
        STAPES_CONSTANTS_(4, a4), STAPES_CONSTANTS_(5, a5), STAPES_CONSTANTS_(6, a6), \
        STAPES_CONSTANTS_(7, a7), STAPES_CONSTANTS_(8, a8), STAPES_CONSTANTS_(9, a9)); } while (0)
#define STAPES_DECLARED_10_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) do { \
    const unsigned long long stapes_array_[] = { STAPES_STORED_(a1), STAPES_STORED_(a2), STAPES_STORED_(a3), STAPES_STORED_(a4), \
        STAPES_STORED_(a5), STAPES_STORED_(a6), STAPES_STORED_(a7), STAPES_STORED_(a8), \
        STAPES_STORED_(a9), STAPES_STORED_(a10) }; \
    STAPES_SITE_(p, n, c, \
        STAPES_STORED_SPEC_(1, "", 0) STAPES_STORED_SPEC_(2, " ", 8) STAPES_STORED_SPEC_(3, " ", 16) \
        STAPES_STORED_SPEC_(4, " ", 24) STAPES_STORED_SPEC_(5, " ", 32) STAPES_STORED_SPEC_(6, " ", 40) \
        STAPES_STORED_SPEC_(7, " ", 48) STAPES_STORED_SPEC_(8, " ", 56) STAPES_STORED_SPEC_(9, " ", 64) \
        STAPES_STORED_SPEC_(10, " ", 72), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) \
        STAPES_MEANS_(5, a5) STAPES_MEANS_(6, a6) STAPES_MEANS_(7, a7) STAPES_MEANS_(8, a8) \
        STAPES_MEANS_(9, a9) STAPES_MEANS_(10, a10), \
        [stapes_array] "r"(stapes_array_), STAPES_CONSTANTS_(1, a1), STAPES_CONSTANTS_(2, a2), STAPES_CONSTANTS_(3, a3), \
        STAPES_CONSTANTS_(4, a4), STAPES_CONSTANTS_(5, a5), STAPES_CONSTANTS_(6, a6), \
        STAPES_CONSTANTS_(7, a7), STAPES_CONSTANTS_(8, a8), STAPES_CONSTANTS_(9, a9), \
        STAPES_CONSTANTS_(10, a10)); } while (0)
#define STAPES_DECLARED_11_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) do { \
    const unsigned long long stapes_array_[] = { STAPES_STORED_(a1), STAPES_STORED_(a2), STAPES_STORED_(a3), STAPES_STORED_(a4), \
        STAPES_STORED_(a5), STAPES_STORED_(a6), STAPES_STORED_(a7), STAPES_STORED_(a8), \
        STAPES_STORED_(a9), STAPES_STORED_(a10), STAPES_STORED_(a11) }; \
    STAPES_SITE_(p, n, c, \
        STAPES_STORED_SPEC_(1, "", 0) STAPES_STORED_SPEC_(2, " ", 8) STAPES_STORED_SPEC_(3, " ", 16) \
        STAPES_STORED_SPEC_(4, " ", 24) STAPES_STORED_SPEC_(5, " ", 32) STAPES_STORED_SPEC_(6, " ", 40) \
        STAPES_STORED_SPEC_(7, " ", 48) STAPES_STORED_SPEC_(8, " ", 56) STAPES_STORED_SPEC_(9, " ", 64) \
        STAPES_STORED_SPEC_(10, " ", 72) STAPES_STORED_SPEC_(11, " ", 80), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) \
        STAPES_MEANS_(5, a5) STAPES_MEANS_(6, a6) STAPES_MEANS_(7, a7) STAPES_MEANS_(8, a8) \
        STAPES_MEANS_(9, a9) STAPES_MEANS_(10, a10) STAPES_MEANS_(11, a11), \
        [stapes_array] "r"(stapes_array_), STAPES_CONSTANTS_(1, a1), STAPES_CONSTANTS_(2, a2), STAPES_CONSTANTS_(3, a3), \
        STAPES_CONSTANTS_(4, a4), STAPES_CONSTANTS_(5, a5), STAPES_CONSTANTS_(6, a6), \
        STAPES_CONSTANTS_(7, a7), STAPES_CONSTANTS_(8, a8), STAPES_CONSTANTS_(9, a9), \
        STAPES_CONSTANTS_(10, a10), STAPES_CONSTANTS_(11, a11)); } while (0)
#define STAPES_DECLARED_12_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) do { \
    const unsigned long long stapes_array_[] = { STAPES_STORED_(a1), STAPES_STORED_(a2), STAPES_STORED_(a3), STAPES_STORED_(a4), \
        STAPES_STORED_(a5), STAPES_STORED_(a6), STAPES_STORED_(a7), STAPES_STORED_(a8), \
        STAPES_STORED_(a9), STAPES_STORED_(a10), STAPES_STORED_(a11), STAPES_STORED_(a12) }; \
    STAPES_SITE_(p, n, c, \
        STAPES_STORED_SPEC_(1, "", 0) STAPES_STORED_SPEC_(2, " ", 8) STAPES_STORED_SPEC_(3, " ", 16) \
        STAPES_STORED_SPEC_(4, " ", 24) STAPES_STORED_SPEC_(5, " ", 32) STAPES_STORED_SPEC_(6, " ", 40) \
        STAPES_STORED_SPEC_(7, " ", 48) STAPES_STORED_SPEC_(8, " ", 56) STAPES_STORED_SPEC_(9, " ", 64) \
        STAPES_STORED_SPEC_(10, " ", 72) STAPES_STORED_SPEC_(11, " ", 80) STAPES_STORED_SPEC_(12, " ", 88), \
        STAPES_MEANS_(1, a1) STAPES_MEANS_(2, a2) STAPES_MEANS_(3, a3) STAPES_MEANS_(4, a4) \
        STAPES_MEANS_(5, a5) STAPES_MEANS_(6, a6) STAPES_MEANS_(7, a7) STAPES_MEANS_(8, a8) \
        STAPES_MEANS_(9, a9) STAPES_MEANS_(10, a10) STAPES_MEANS_(11, a11) STAPES_MEANS_(12, a12), \
        [stapes_array] "r"(stapes_array_), STAPES_CONSTANTS_(1, a1), STAPES_CONSTANTS_(2, a2), STAPES_CONSTANTS_(3, a3), \
        STAPES_CONSTANTS_(4, a4), STAPES_CONSTANTS_(5, a5), STAPES_CONSTANTS_(6, a6), \
        STAPES_CONSTANTS_(7, a7), STAPES_CONSTANTS_(8, a8), STAPES_CONSTANTS_(9, a9), \
        STAPES_CONSTANTS_(10, a10), STAPES_CONSTANTS_(11, a11), STAPES_CONSTANTS_(12, a12)); } while (0)

/* Is not 0 while somebody listens. Read each time anew. */
#define STAPES_ENABLED(provider, name) (__extension__ ({ \
    extern const volatile unsigned short stapes_semaphore_##provider##_of_##name \
        __asm__(STAPES_SYMBOL_(provider, name)) __attribute__((visibility("hidden"))); \
    __asm__ __volatile__(STAPES_SEMAPHORE_(STAPES_SYMBOL_(provider, name), "%%") : : "i"(0)); \
    __builtin_expect(stapes_semaphore_##provider##_of_##name != 0, 0); }))

/* Defines the semaphore of a probe in this file, at file scope. */
#define STAPES_DEFINE_SEMAPHORE(provider, name) \
    __asm__(STAPES_SEMAPHORE_(STAPES_SYMBOL_(provider, name), "@")); \
    extern const volatile unsigned short stapes_semaphore_##provider##_of_##name \
        __asm__(STAPES_SYMBOL_(provider, name)) __attribute__((visibility("hidden")))

#else

#define STAPES_UNUSED_(argument) (void)sizeof(STAPES_FIRST_ argument)
#define STAPES_DECLARED_0_(p, n, c) ((void)0)
#define STAPES_DECLARED_1_(p, n, c, a1) do { STAPES_UNUSED_(a1); } while (0)
#define STAPES_DECLARED_2_(p, n, c, a1, a2) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); } while (0)
#define STAPES_DECLARED_3_(p, n, c, a1, a2, a3) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); } while (0)
#define STAPES_DECLARED_4_(p, n, c, a1, a2, a3, a4) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); } while (0)
#define STAPES_DECLARED_5_(p, n, c, a1, a2, a3, a4, a5) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); } while (0)
#define STAPES_DECLARED_6_(p, n, c, a1, a2, a3, a4, a5, a6) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); STAPES_UNUSED_(a6); } while (0)
#define STAPES_DECLARED_7_(p, n, c, a1, a2, a3, a4, a5, a6, a7) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); STAPES_UNUSED_(a6); STAPES_UNUSED_(a7); } while (0)
#define STAPES_DECLARED_8_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); STAPES_UNUSED_(a6); STAPES_UNUSED_(a7); STAPES_UNUSED_(a8); } while (0)
#define STAPES_DECLARED_9_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); STAPES_UNUSED_(a6); STAPES_UNUSED_(a7); STAPES_UNUSED_(a8); STAPES_UNUSED_(a9); } while (0)
#define STAPES_DECLARED_10_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); STAPES_UNUSED_(a6); STAPES_UNUSED_(a7); STAPES_UNUSED_(a8); STAPES_UNUSED_(a9); STAPES_UNUSED_(a10); } while (0)
#define STAPES_DECLARED_11_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); STAPES_UNUSED_(a6); STAPES_UNUSED_(a7); STAPES_UNUSED_(a8); STAPES_UNUSED_(a9); STAPES_UNUSED_(a10); STAPES_UNUSED_(a11); } while (0)
#define STAPES_DECLARED_12_(p, n, c, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) do { STAPES_UNUSED_(a1); STAPES_UNUSED_(a2); STAPES_UNUSED_(a3); STAPES_UNUSED_(a4); STAPES_UNUSED_(a5); STAPES_UNUSED_(a6); STAPES_UNUSED_(a7); STAPES_UNUSED_(a8); STAPES_UNUSED_(a9); STAPES_UNUSED_(a10); STAPES_UNUSED_(a11); STAPES_UNUSED_(a12); } while (0)
#define STAPES_ENABLED(provider, name) 0
#define STAPES_DEFINE_SEMAPHORE(provider, name) struct stapes_no_semaphore_

#endif

/* STAPES_PROBE(provider, name, arguments...): a site with up to 12 arguments. */
#define STAPES_PROBE(...) STAPES_PASTE_(STAPES_PROBE_, STAPES_COUNT_(__VA_ARGS__))(__VA_ARGS__)
/* The same, with arguments that are evaluated only while somebody listens. */
#define STAPES_PROBE_LAZY(...) do { if (STAPES_ENABLED_FIRST_(__VA_ARGS__, ~)) STAPES_PROBE(__VA_ARGS__); } while (0)
#define STAPES_ENABLED_FIRST_(provider, name, ...) STAPES_ENABLED(provider, name)
#define STAPES_PASTE_(a, b) STAPES_PASTE_2_(a, b)
#define STAPES_PASTE_2_(a, b) a##b
#define STAPES_COUNT_(...) STAPES_NTH_(__VA_ARGS__, TOO_MANY_, TOO_MANY_, TOO_MANY_, TOO_MANY_, 12_, 11_, 10_, 9_, 8_, 7_, 6_, 5_, \
    4_, 3_, 2_, 1_, 0_, 0_, ~)
#define STAPES_NTH_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, count, ...) count
#define STAPES_PLAIN_(x) ((x), 0, "", "")
#ifdef __cplusplus
#define STAPES_PROBE_TOO_MANY_(...) static_assert(false, "a probe passes at most 12 arguments")
#else
#define STAPES_PROBE_TOO_MANY_(...) _Static_assert(0, "a probe passes at most 12 arguments")
#endif
#define STAPES_PROBE_0_(p, n) STAPES_DECLARED_0_(p, n, 1)
#define STAPES_PROBE_1_(p, n, a1) STAPES_DECLARED_1_(p, n, 1, STAPES_PLAIN_(a1))
#define STAPES_PROBE_2_(p, n, a1, a2) STAPES_DECLARED_2_(p, n, 1, STAPES_PLAIN_(a1), STAPES_PLAIN_(a2))
#define STAPES_PROBE_3_(p, n, a1, a2, a3) STAPES_DECLARED_3_(p, n, 1, STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3))
#define STAPES_PROBE_4_(p, n, a1, a2, a3, a4) STAPES_DECLARED_4_(p, n, 1, STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4))
#define STAPES_PROBE_5_(p, n, a1, a2, a3, a4, a5) STAPES_DECLARED_5_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5))
#define STAPES_PROBE_6_(p, n, a1, a2, a3, a4, a5, a6) STAPES_DECLARED_6_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5), STAPES_PLAIN_(a6))
#define STAPES_PROBE_7_(p, n, a1, a2, a3, a4, a5, a6, a7) STAPES_DECLARED_7_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5), STAPES_PLAIN_(a6), \
    STAPES_PLAIN_(a7))
#define STAPES_PROBE_8_(p, n, a1, a2, a3, a4, a5, a6, a7, a8) STAPES_DECLARED_8_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5), STAPES_PLAIN_(a6), \
    STAPES_PLAIN_(a7), STAPES_PLAIN_(a8))
#define STAPES_PROBE_9_(p, n, a1, a2, a3, a4, a5, a6, a7, a8, a9) STAPES_DECLARED_9_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5), STAPES_PLAIN_(a6), \
    STAPES_PLAIN_(a7), STAPES_PLAIN_(a8), STAPES_PLAIN_(a9))
#define STAPES_PROBE_10_(p, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) STAPES_DECLARED_10_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5), STAPES_PLAIN_(a6), \
    STAPES_PLAIN_(a7), STAPES_PLAIN_(a8), STAPES_PLAIN_(a9), STAPES_PLAIN_(a10))
#define STAPES_PROBE_11_(p, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) STAPES_DECLARED_11_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5), STAPES_PLAIN_(a6), \
    STAPES_PLAIN_(a7), STAPES_PLAIN_(a8), STAPES_PLAIN_(a9), STAPES_PLAIN_(a10), STAPES_PLAIN_(a11))
#define STAPES_PROBE_12_(p, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) STAPES_DECLARED_12_(p, n, 1, \
    STAPES_PLAIN_(a1), STAPES_PLAIN_(a2), STAPES_PLAIN_(a3), STAPES_PLAIN_(a4), STAPES_PLAIN_(a5), STAPES_PLAIN_(a6), \
    STAPES_PLAIN_(a7), STAPES_PLAIN_(a8), STAPES_PLAIN_(a9), STAPES_PLAIN_(a10), STAPES_PLAIN_(a11), STAPES_PLAIN_(a12))

#ifdef STAPES_COMPATIBLE_NAMES
#define DTRACE_PROBE(provider, name) STAPES_PROBE(provider, name)
#define STAP_PROBE(provider, name) STAPES_PROBE(provider, name)
#define STAP_PROBEV(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE1(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE2(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE3(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE4(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE5(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE6(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE7(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE8(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE9(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE10(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE11(...) STAPES_PROBE(__VA_ARGS__)
#define DTRACE_PROBE12(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE1(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE2(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE3(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE4(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE5(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE6(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE7(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE8(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE9(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE10(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE11(...) STAPES_PROBE(__VA_ARGS__)
#define STAP_PROBE12(...) STAPES_PROBE(__VA_ARGS__)
#define FOLLY_SDT(...) STAPES_PROBE(__VA_ARGS__)
#define FOLLY_SDT_WITH_SEMAPHORE(...) STAPES_PROBE(__VA_ARGS__)
#define FOLLY_SDT_IS_ENABLED(provider, name) STAPES_ENABLED(provider, name)
#define FOLLY_SDT_DEFINE_SEMAPHORE(provider, name) STAPES_DEFINE_SEMAPHORE(provider, name)
#define FOLLY_SDT_DECLARE_SEMAPHORE(provider, name) STAPES_DEFINE_SEMAPHORE(provider, name)
#endif

#endif

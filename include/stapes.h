/* stapes.h: static USDT probes for C and C++ on Linux, in one file.

   A probe costs one nop until somebody listens; stapes, bpftrace, bcc, perf, gdb and SystemTap find it in the file's notes.

       STAPES_PROBE(myapp, cache_hit, key, shard);          the arguments are evaluated always
       STAPES_PROBE_LAZY(myapp, big, expensive());          evaluated only while somebody listens
       if (STAPES_ENABLED(myapp, big)) { ... }              the same question, asked aloud: one compare, one untaken branch

   Up to 12 arguments: integers and enums of every width, bool, char, bit-fields, pointers, arrays (their address), float and
   double (their bits). What they are is seen from their types. Provider and name are written without quotes, and macros of
   their names are expanded.

   All sites and tests of a probe share one semaphore per program or shared library, whatever language they are written in.
   Each file that uses the probe defines it, and the linker keeps one: nobody has to say where.
   STAPES_DEFINE_SEMAPHORE(provider, name) is there for code that says so nevertheless.

   x86-64 and aarch64; gcc from 6, clang from 13; C99, C11, C++11 and later, also without GNU extensions (-std=c11).
   The assembler has to know SHF_LINK_ORDER and SHF_GNU_RETAIN: binutils 2.36, or clang's own.
   With an older one, or the linker gold, define STAPES_OLD_ASSEMBLER; then linkers that collect unused functions leave notes
   of these behind.
   Elsewhere, and where STAPES_DISABLE is defined, nothing is emitted and the arguments are not evaluated, only checked.

   Where STAPES_COMPATIBLE_NAMES is defined, so are the macros of other headers; see the end of this file.

   docs/define-c.md explains more. Licence: MIT or Apache-2.0, at your choice. */
#ifndef STAPES_H
#define STAPES_H

#if !defined(STAPES_DISABLE) && defined(__GNUC__) && defined(__linux__) && defined(__LP64__) && \
    (defined(__x86_64__) || defined(__aarch64__))
#define STAPES_ACTIVE_ 1
#else
#define STAPES_ACTIVE_ 0
#endif

/* STAPES_PROBE counts what it is given: the name, which is always there, and up to 12 arguments. */
#define STAPES_PROBE(provider, ...) \
    STAPES_PASTE_(STAPES_PROBE_, STAPES_COUNT_(__VA_ARGS__))(1, provider, __VA_ARGS__)

#define STAPES_PROBE_LAZY(provider, ...) \
    do { \
        if (STAPES_ENABLED(provider, STAPES_HEAD_(__VA_ARGS__, ~))) \
            STAPES_PROBE(provider, __VA_ARGS__); \
    } while (0)

/* Nothing is left to define: the declaration only takes the semicolon. */
#define STAPES_DEFINE_SEMAPHORE(provider, name) struct stapes_semaphore_

/* ---- What arguments are: the bytes of .note.stapes (docs/note-format.md): a kind, and log2 of the size. ---- */

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
/* No kind: the value belongs to the argument before it. */
#define STAPES_BELONGS_ 255

/* STAPES_TAKE_(i, argument)   evaluates the argument, once, into stapes_i
   STAPES_INFER_(i)            its meaning by its type; a constant
   STAPES_VALUE_(i)            what goes into a register: the integer or pointer itself, the bits of a float
   STAPES_WORD_(i)             the same, widened to 64 bits */
#if defined(__cplusplus) && defined(__GNUC__)

namespace stapes_header {

/* The integer type that an enum consists of; other types as they are. */
template <typename T, bool = __is_enum(T)> struct plain { typedef T type; };
template <typename T> struct plain<T, true> { typedef __underlying_type(T) type; };

template <typename T> struct kind { enum : int { value = 0 }; };
template <> struct kind<bool> { enum : int { value = STAPES_BOOL_ }; };
template <> struct kind<char32_t> { enum : int { value = STAPES_CHAR32_ }; };
template <typename T> struct integer {
    enum : int { value = static_cast<T>(-1) < static_cast<T>(1) ? STAPES_SIGNED_ : STAPES_UNSIGNED_ };
};
#define STAPES_INTEGER_(T) \
    template <> struct kind<T> : integer<T> {};
STAPES_INTEGER_(char)
STAPES_INTEGER_(signed char)
STAPES_INTEGER_(unsigned char)
STAPES_INTEGER_(wchar_t)
STAPES_INTEGER_(char16_t)
#ifdef __cpp_char8_t
STAPES_INTEGER_(char8_t)
#endif
STAPES_INTEGER_(short)
STAPES_INTEGER_(unsigned short)
STAPES_INTEGER_(int)
STAPES_INTEGER_(unsigned)
STAPES_INTEGER_(long)
STAPES_INTEGER_(unsigned long)
STAPES_INTEGER_(long long)
STAPES_INTEGER_(unsigned long long)
#undef STAPES_INTEGER_

/* A taken argument. */
template <typename T, int Kind> struct argument {
    static_assert(Kind != 0, "a probe passes integers, enums, bool, pointers, float and double");
    enum : int { meaning = Kind | (sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3) };
    T value;
    __attribute__((always_inline)) unsigned long long word() const { return static_cast<unsigned long long>(value); }
};
template <typename T, int Kind> struct argument<T *, Kind> {
    enum : int { meaning = Kind | 3 };
    T *value;
    __attribute__((always_inline)) unsigned long long word() const {
        return reinterpret_cast<unsigned long>(value);
    }
};

template <typename T> struct number {
    typedef typename plain<T>::type type;
    typedef argument<type, kind<type>::value> taken;
};

/* By value: arrays and functions become addresses, bit-fields have their declared type. */
template <typename T> __attribute__((always_inline)) inline typename number<T>::taken take(T x) {
    return {static_cast<typename number<T>::type>(x)};
}
template <typename T> __attribute__((always_inline)) inline argument<T *, STAPES_POINTER_> take(T *x) { return {x}; }
__attribute__((always_inline)) inline argument<char *, STAPES_C_STRING_> take(char *x) { return {x}; }
__attribute__((always_inline)) inline argument<const char *, STAPES_C_STRING_> take(const char *x) { return {x}; }
__attribute__((always_inline)) inline argument<void *, STAPES_POINTER_> take(decltype(nullptr)) { return {nullptr}; }
__attribute__((always_inline)) inline argument<unsigned, STAPES_FLOAT_> take(float x) {
    argument<unsigned, STAPES_FLOAT_> bits = {0};
    __builtin_memcpy(&bits.value, &x, sizeof x);
    return bits;
}
__attribute__((always_inline)) inline argument<unsigned long, STAPES_FLOAT_> take(double x) {
    argument<unsigned long, STAPES_FLOAT_> bits = {0};
    __builtin_memcpy(&bits.value, &x, sizeof bits.value);
    return bits;
}

}

#define STAPES_TAKE_(i, argument) const auto stapes_##i = ::stapes_header::take(STAPES_FIRST_ argument);
#define STAPES_INFER_(i) decltype(stapes_##i)::meaning
#define STAPES_VALUE_(i) stapes_##i.value
#define STAPES_WORD_(i) stapes_##i.word()
#define STAPES_ASSERT_(condition, complaint) static_assert(condition, complaint)

#elif defined(__GNUC__)

static inline __attribute__((always_inline, unused)) unsigned stapes_float_bits_(float x) {
    unsigned bits;
    __builtin_memcpy(&bits, &x, sizeof x);
    return bits;
}
static inline __attribute__((always_inline, unused)) unsigned long stapes_double_bits_(double x) {
    unsigned long bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

#ifdef __CHAR_UNSIGNED__
#define STAPES_PLAIN_CHAR_ STAPES_UNSIGNED_
#else
#define STAPES_PLAIN_CHAR_ STAPES_SIGNED_
#endif

/* The comma makes arrays and functions addresses, and a bit-field a value. */
#define STAPES_TAKE_(i, argument) \
    __extension__ __auto_type stapes_##i = ((void)0, STAPES_FIRST_ argument); \
    STAPES_ASSERT_(__extension__ _Generic(stapes_##i, float: 1, double: 1, default: STAPES_IS_INTEGER_(i) || STAPES_IS_POINTER_(i)) && \
                       sizeof(stapes_##i) <= 8, \
                   "a probe passes integers, enums, bool, pointers, float and double");
#define STAPES_IS_POINTER_(i) (__builtin_classify_type(stapes_##i) == 5)
#define STAPES_IS_INTEGER_(i) (__builtin_classify_type(stapes_##i) >= 1 && __builtin_classify_type(stapes_##i) <= 4)
#define STAPES_INFER_(i) __extension__ _Generic(stapes_##i, _Bool: STAPES_BOOL_, char: STAPES_PLAIN_CHAR_, \
    signed char: STAPES_SIGNED_, unsigned char: STAPES_UNSIGNED_, \
    short: STAPES_SIGNED_ | 1, unsigned short: STAPES_UNSIGNED_ | 1, \
    int: STAPES_SIGNED_ | 2, unsigned: STAPES_UNSIGNED_ | 2, \
    long: STAPES_SIGNED_ | 3, unsigned long: STAPES_UNSIGNED_ | 3, \
    long long: STAPES_SIGNED_ | 3, unsigned long long: STAPES_UNSIGNED_ | 3, \
    float: STAPES_FLOAT_ | 2, double: STAPES_FLOAT_ | 3, \
    char *: STAPES_C_STRING_ | 3, const char *: STAPES_C_STRING_ | 3, \
    default: STAPES_IS_POINTER_(i) ? STAPES_POINTER_ | 3 \
        : (STAPES_IS_SIGNED_(i) ? STAPES_SIGNED_ : STAPES_UNSIGNED_) | (sizeof(stapes_##i) <= 4 ? 2 : 3))
#define STAPES_VALUE_(i) __extension__ _Generic(stapes_##i, \
    float: stapes_float_bits_(__extension__ _Generic(stapes_##i, float: stapes_##i, default: 0.0f)), \
    double: stapes_double_bits_(__extension__ _Generic(stapes_##i, double: stapes_##i, default: 0.0)), \
    _Bool: stapes_##i, char: stapes_##i, signed char: stapes_##i, unsigned char: stapes_##i, \
    short: stapes_##i, unsigned short: stapes_##i, int: stapes_##i, unsigned: stapes_##i, \
    long: stapes_##i, unsigned long: stapes_##i, long long: stapes_##i, unsigned long long: stapes_##i, \
    default: STAPES_OTHER_VALUE_(i))
#define STAPES_WORD_(i) ((unsigned long long)STAPES_VALUE_(i))
/* Pointers, and what gcc makes of bit-fields: integers of as many bits. */
#define STAPES_OTHER_VALUE_(i) __builtin_choose_expr(STAPES_IS_POINTER_(i), stapes_##i, \
    __builtin_choose_expr(sizeof(stapes_##i) <= 4, (unsigned)STAPES_INTEGER_(i), (unsigned long)STAPES_INTEGER_(i)))
#define STAPES_INTEGER_(i) __builtin_choose_expr(STAPES_IS_INTEGER_(i), stapes_##i, 0)
#define STAPES_IS_SIGNED_(i) ((__typeof__(STAPES_INTEGER_(i)))-1 < 1)
#define STAPES_ASSERT_(condition, complaint) __extension__ _Static_assert(condition, complaint)

#else

#define STAPES_TAKE_(i, argument) (void)STAPES_FIRST_ argument;

#endif

/* ---- A site, where probes are possible. ---- */

#if STAPES_ACTIVE_

#ifdef __x86_64__
/* A uprobe needs a whole instruction, and newer kernels replace a 10-byte nop by a call that spares the red zone. The notes
   name registers as AT&T does. */
#define STAPES_CODE_ "nop\n.byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n" \
    "{|.error \"stapes.h: -masm=intel makes argument names that no tracer reads\"}\n"
#define STAPES_PAGE_ "4096"
#define STAPES_REGISTER_ "nr"
#define STAPES_IN_REGISTER_(i) "%q[stapes_a" #i "]"
#define STAPES_IN_ARRAY_(i) STAPES_OFFSET_##i##_ "(%[stapes_words])"
#else
#define STAPES_CODE_ "nop\n"
#define STAPES_PAGE_ "65536"
/* No constants: with the modifier that names the whole register, 0 would be called xzr. */
#define STAPES_REGISTER_ "r"
#define STAPES_IN_REGISTER_(i) "%x[stapes_a" #i "]"
#define STAPES_IN_ARRAY_(i) "[%x[stapes_words], " STAPES_OFFSET_##i##_ "]"
#endif

/* The size of this assembly is that of a nop, whatever the number of its lines. */
#if defined(__clang__) || __GNUC__ >= 9
#define STAPES_ASM_ __asm__ __inline__ __volatile__
#else
#define STAPES_ASM_ __asm__ __volatile__
#endif

#ifdef STAPES_OLD_ASSEMBLER
#define STAPES_TIED_ "\"?\", @note\n"
#define STAPES_KEPT_ ""
#define STAPES_RETAINED_ "G"
#else
/* A note lives exactly as long as its code: SHF_LINK_ORDER ("o") ties it to the section of its site; "?" puts it into the
   group of an inline function, so that both go together. mold does not know the flag for notes, but keeps what a section
   with the name of a C identifier refers to. SHF_GNU_RETAIN ("R") keeps what has to stay. */
#define STAPES_TIED_ "\"o?\", @note, .Lstapes_site_%=\n"
#define STAPES_KEPT_ ".pushsection stapes_sites, \"ao?\", @progbits, .Lstapes_site_%=\n" \
    ".reloc ., BFD_RELOC_NONE, .Lstapes_site_%=\n.popsection\n"
#define STAPES_RETAINED_ "GR"
#endif

/* The semaphore: a weak, hidden symbol in a group of its own. And an empty group that is aligned to the largest page, so that
   no semaphore shares a page of the file with what becomes read-only, where tracers would change the wrong memory. */
#define STAPES_SYMBOL_(provider, name) "\"stapes_semaphore." provider "." name "\""
#define STAPES_SEMAPHORE_(symbol) \
    ".ifndef stapes_semaphore_page\n" \
    ".pushsection .probes, \"aw" STAPES_RETAINED_ "\", @progbits, stapes_semaphore_page, comdat\n" \
    ".weak stapes_semaphore_page\n.hidden stapes_semaphore_page\n" \
    ".balign " STAPES_PAGE_ "\n.set stapes_semaphore_page, .\n.popsection\n.endif\n" \
    ".ifndef " symbol "\n" \
    ".pushsection .probes, \"aw" STAPES_RETAINED_ "\", @progbits, " symbol ", comdat\n" \
    ".weak " symbol "\n.hidden " symbol "\n.type " symbol ", @object\n.size " symbol ", 2\n" \
    ".balign 2\n" symbol ": .2byte 0\n.popsection\n.endif\n"

/* The text of a site: its code and its two notes. `specs` describes the arguments in .note.stapsdt, `means` in .note.stapes. */
#define STAPES_SITE_(provider, name, defined, symbol, specs, means) \
    defined \
    ".ifndef _.stapsdt.base\n" \
    ".pushsection .stapsdt.base, \"a" STAPES_RETAINED_ "\", @progbits, .stapsdt.base, comdat\n" \
    ".weak _.stapsdt.base\n.hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n" \
    ".popsection\n.endif\n" \
    ".Lstapes_site_%=: " STAPES_CODE_ \
    STAPES_KEPT_ \
    ".pushsection .note.stapsdt, " STAPES_TIED_ \
    ".balign 4\n.4byte 8, 9922f - 9921f, 3\n.asciz \"stapsdt\"\n" \
    "9921: .8byte .Lstapes_site_%=, _.stapsdt.base, " symbol "\n" \
    ".asciz \"" provider "\"\n.asciz \"" name "\"\n.asciz \"" specs "\"\n" \
    "9922: .balign 4\n.popsection\n" \
    ".pushsection .note.stapes, " STAPES_TIED_ \
    ".balign 4\n.4byte 7, 9924f - 9923f, 1\n.asciz \"stapes\"\n.balign 4\n" \
    "9923: .8byte .Lstapes_site_%=, _.stapsdt.base\n" means ".byte 0\n" \
    "9924: .balign 4\n.popsection\n"

/* How the text of a site speaks of argument i: `s` is its size, negated where it is signed ("%n" negates), `m` its meaning. */
#define STAPES_SPEC_(i, argument) STAPES_SPACE_##i##_ "%n[stapes_s" #i "]@" STAPES_IN_REGISTER_(i)
#define STAPES_STORED_SPEC_(i, argument) STAPES_SPACE_##i##_ "%n[stapes_s" #i "]@" STAPES_IN_ARRAY_(i)
#define STAPES_MEANS_(i, argument) ".if %c[stapes_m" #i "] != 255\n.byte %c[stapes_m" #i "]\n" \
    ".asciz \"" STAPES_NAME_ argument "\"\n.asciz \"" STAPES_TYPE_ argument "\"\n.endif\n"

#define STAPES_CONSTANTS_(i, argument) \
    , [stapes_s##i] "n"((STAPES_INFER_(i) & 124) == STAPES_SIGNED_ ? 1 << (STAPES_INFER_(i) & 3) \
                                                                   : -(1 << (STAPES_INFER_(i) & 3))), \
    [stapes_m##i] "n"((STAPES_KIND_ argument) == STAPES_BELONGS_ ? STAPES_BELONGS_ \
                      : ((STAPES_KIND_ argument) & 124) ? ((STAPES_KIND_ argument) | (STAPES_INFER_(i) & 3)) \
                                                        : ((STAPES_KIND_ argument) | STAPES_INFER_(i)))
#define STAPES_OPERANDS_(i, argument) \
    STAPES_CONSTANTS_(i, argument), [stapes_a##i] STAPES_REGISTER_(STAPES_VALUE_(i))
#define STAPES_STORED_(i, argument) STAPES_WORD_(i),

#define STAPES_FIRE_NONE_(p, n, defined, symbol) STAPES_ASM_(STAPES_SITE_(p, n, defined, symbol, "", "") : : "n"(0))

/* Up to six arguments lie in registers. The compiler is told that memory is used: it has stored what arguments point to. */
#define STAPES_FIRE_(p, n, defined, symbol, each, ...) \
    do { \
        each(STAPES_TAKE_, __VA_ARGS__) \
        STAPES_ASM_(STAPES_SITE_(p, n, defined, symbol, each(STAPES_SPEC_, __VA_ARGS__), each(STAPES_MEANS_, __VA_ARGS__)) \
                    : : "n"(0) each(STAPES_OPERANDS_, __VA_ARGS__) : "memory"); \
    } while (0)

/* More arguments lie in an array, whose address is in a register. */
#define STAPES_FIRE_STORED_(p, n, defined, symbol, each, ...) \
    do { \
        each(STAPES_TAKE_, __VA_ARGS__) \
        const unsigned long long stapes_words_[] = {each(STAPES_STORED_, __VA_ARGS__)}; \
        STAPES_ASM_(STAPES_SITE_(p, n, defined, symbol, each(STAPES_STORED_SPEC_, __VA_ARGS__), \
                                 each(STAPES_MEANS_, __VA_ARGS__)) \
                    : : [stapes_words] "r"(stapes_words_) each(STAPES_CONSTANTS_, __VA_ARGS__) : "memory"); \
    } while (0)

/* Reads the semaphore each time anew: assembly that is volatile is neither merged nor moved out of loops. */
#define STAPES_TEST_(symbol) \
    (__builtin_expect(__extension__({ \
        int stapes_enabled_; \
        STAPES_ASM_TEST_(symbol); \
        stapes_enabled_; \
    }), 0) != 0)
#ifdef __x86_64__
#define STAPES_ASM_TEST_(symbol) \
    STAPES_ASM_(STAPES_SEMAPHORE_(symbol) "{cmpw $0, " symbol "(%%rip)|cmp word ptr " symbol "[rip], 0}" \
                : "=@ccne"(stapes_enabled_))
#else
#define STAPES_ASM_TEST_(symbol) \
    STAPES_ASM_(STAPES_SEMAPHORE_(symbol) "adrp %x0, " symbol "\nldrh %w0, [%x0, :lo12:" symbol "]" \
                : "=r"(stapes_enabled_))
#endif

#else

#define STAPES_SEMAPHORE_(symbol) ""
#define STAPES_SYMBOL_(provider, name) ""
#define STAPES_TEST_(symbol) 0
#define STAPES_FIRE_NONE_(p, n, defined, symbol) ((void)0)
#define STAPES_FIRE_(p, n, defined, symbol, each, ...) \
    do { \
        if (0) { \
            each(STAPES_TAKE_, __VA_ARGS__) \
            each(STAPES_IGNORE_, __VA_ARGS__) \
        } \
    } while (0)
#define STAPES_FIRE_STORED_ STAPES_FIRE_
#ifdef __GNUC__
#define STAPES_IGNORE_(i, argument) (void)stapes_##i;
#else
#define STAPES_IGNORE_(i, argument)
#endif

#endif

#define STAPES_ENABLED(provider, name) STAPES_ENABLED_2_(provider, name)
#define STAPES_ENABLED_2_(provider, name) STAPES_TEST_(STAPES_SYMBOL_(#provider, #name))

/* ---- Sites by the number of their arguments. ---- */

/* STAPES_DECLARED_N_(provider, name, counted, arguments...): a site with N arguments, each (value, kind, "name", "type"), where
   kind 0 is what the type of the value says. `counted` is 1 for a probe with a semaphore, 0 for one without. */
#define STAPES_FIRST_(v, kind, name, type) v
#define STAPES_KIND_(v, kind, name, type) kind
#define STAPES_NAME_(v, kind, name, type) name
#define STAPES_TYPE_(v, kind, name, type) type

#define STAPES_COUNTED_0_(p, n) "", "0"
#define STAPES_COUNTED_1_(p, n) STAPES_SEMAPHORE_(STAPES_SYMBOL_(p, n)), STAPES_SYMBOL_(p, n)
/* The semaphore has the name that SystemTap gives it, and is defined elsewhere. */
#define STAPES_COUNTED_ELSEWHERE_(p, n) "", p "_" n "_semaphore"
#define STAPES_CALL_(macro, ...) macro(__VA_ARGS__)

#define STAPES_DECLARED_0_(p, n, c) STAPES_CALL_(STAPES_FIRE_NONE_, #p, #n, STAPES_COUNTED_##c##_(#p, #n))
#define STAPES_DECLARED_IN_REGISTERS_(p, n, c, each, ...) \
    STAPES_CALL_(STAPES_FIRE_, #p, #n, STAPES_COUNTED_##c##_(#p, #n), each, __VA_ARGS__)
#define STAPES_DECLARED_IN_ARRAY_(p, n, c, each, ...) \
    STAPES_CALL_(STAPES_FIRE_STORED_, #p, #n, STAPES_COUNTED_##c##_(#p, #n), each, __VA_ARGS__)

#define STAPES_DECLARED_1_(p, n, c, ...) STAPES_DECLARED_IN_REGISTERS_(p, n, c, STAPES_EACH_1_, __VA_ARGS__)
#define STAPES_DECLARED_2_(p, n, c, ...) STAPES_DECLARED_IN_REGISTERS_(p, n, c, STAPES_EACH_2_, __VA_ARGS__)
#define STAPES_DECLARED_3_(p, n, c, ...) STAPES_DECLARED_IN_REGISTERS_(p, n, c, STAPES_EACH_3_, __VA_ARGS__)
#define STAPES_DECLARED_4_(p, n, c, ...) STAPES_DECLARED_IN_REGISTERS_(p, n, c, STAPES_EACH_4_, __VA_ARGS__)
#define STAPES_DECLARED_5_(p, n, c, ...) STAPES_DECLARED_IN_REGISTERS_(p, n, c, STAPES_EACH_5_, __VA_ARGS__)
#define STAPES_DECLARED_6_(p, n, c, ...) STAPES_DECLARED_IN_REGISTERS_(p, n, c, STAPES_EACH_6_, __VA_ARGS__)
#define STAPES_DECLARED_7_(p, n, c, ...) STAPES_DECLARED_IN_ARRAY_(p, n, c, STAPES_EACH_7_, __VA_ARGS__)
#define STAPES_DECLARED_8_(p, n, c, ...) STAPES_DECLARED_IN_ARRAY_(p, n, c, STAPES_EACH_8_, __VA_ARGS__)
#define STAPES_DECLARED_9_(p, n, c, ...) STAPES_DECLARED_IN_ARRAY_(p, n, c, STAPES_EACH_9_, __VA_ARGS__)
#define STAPES_DECLARED_10_(p, n, c, ...) STAPES_DECLARED_IN_ARRAY_(p, n, c, STAPES_EACH_10_, __VA_ARGS__)
#define STAPES_DECLARED_11_(p, n, c, ...) STAPES_DECLARED_IN_ARRAY_(p, n, c, STAPES_EACH_11_, __VA_ARGS__)
#define STAPES_DECLARED_12_(p, n, c, ...) STAPES_DECLARED_IN_ARRAY_(p, n, c, STAPES_EACH_12_, __VA_ARGS__)

/* STAPES_EACH_N_(macro, arguments...): the macro with 1 and the first argument, with 2 and the second, and so on. */
#define STAPES_EACH_1_(m, a) m(1, a)
#define STAPES_EACH_2_(m, a, b) m(1, a) m(2, b)
#define STAPES_EACH_3_(m, a, b, c) m(1, a) m(2, b) m(3, c)
#define STAPES_EACH_4_(m, a, b, c, d) m(1, a) m(2, b) m(3, c) m(4, d)
#define STAPES_EACH_5_(m, a, b, c, d, e) m(1, a) m(2, b) m(3, c) m(4, d) m(5, e)
#define STAPES_EACH_6_(m, a, b, c, d, e, f) m(1, a) m(2, b) m(3, c) m(4, d) m(5, e) m(6, f)
#define STAPES_EACH_7_(m, a, b, c, d, e, f, g) STAPES_EACH_6_(m, a, b, c, d, e, f) m(7, g)
#define STAPES_EACH_8_(m, a, b, c, d, e, f, g, h) STAPES_EACH_6_(m, a, b, c, d, e, f) m(7, g) m(8, h)
#define STAPES_EACH_9_(m, a, b, c, d, e, f, g, h, i) STAPES_EACH_6_(m, a, b, c, d, e, f) m(7, g) m(8, h) m(9, i)
#define STAPES_EACH_10_(m, a, b, c, d, e, f, g, h, i, j) \
    STAPES_EACH_6_(m, a, b, c, d, e, f) m(7, g) m(8, h) m(9, i) m(10, j)
#define STAPES_EACH_11_(m, a, b, c, d, e, f, g, h, i, j, k) \
    STAPES_EACH_6_(m, a, b, c, d, e, f) m(7, g) m(8, h) m(9, i) m(10, j) m(11, k)
#define STAPES_EACH_12_(m, a, b, c, d, e, f, g, h, i, j, k, l) \
    STAPES_EACH_6_(m, a, b, c, d, e, f) m(7, g) m(8, h) m(9, i) m(10, j) m(11, k) m(12, l)

#define STAPES_SPACE_1_ ""
#define STAPES_SPACE_2_ " "
#define STAPES_SPACE_3_ " "
#define STAPES_SPACE_4_ " "
#define STAPES_SPACE_5_ " "
#define STAPES_SPACE_6_ " "
#define STAPES_SPACE_7_ " "
#define STAPES_SPACE_8_ " "
#define STAPES_SPACE_9_ " "
#define STAPES_SPACE_10_ " "
#define STAPES_SPACE_11_ " "
#define STAPES_SPACE_12_ " "

#define STAPES_OFFSET_1_ "0"
#define STAPES_OFFSET_2_ "8"
#define STAPES_OFFSET_3_ "16"
#define STAPES_OFFSET_4_ "24"
#define STAPES_OFFSET_5_ "32"
#define STAPES_OFFSET_6_ "40"
#define STAPES_OFFSET_7_ "48"
#define STAPES_OFFSET_8_ "56"
#define STAPES_OFFSET_9_ "64"
#define STAPES_OFFSET_10_ "72"
#define STAPES_OFFSET_11_ "80"
#define STAPES_OFFSET_12_ "88"

#define STAPES_PASTE_(a, b) STAPES_PASTE_2_(a, b)
#define STAPES_PASTE_2_(a, b) a##b
#define STAPES_HEAD_(first, ...) first
/* How many arguments follow the first. */
#define STAPES_COUNT_(...) \
    STAPES_18TH_(__VA_ARGS__, MANY_, MANY_, MANY_, MANY_, 12_, 11_, 10_, 9_, 8_, 7_, 6_, 5_, 4_, 3_, 2_, 1_, 0_, ~)
#define STAPES_18TH_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, ...) r

#define STAPES_PROBE_MANY_(c, p, ...) STAPES_ASSERT_(0, "a probe passes at most 12 arguments")
#define STAPES_PLAIN_(x) ((x), 0, "", "")
#define STAPES_PROBE_0_(c, p, n) STAPES_DECLARED_0_(p, n, c)
#define STAPES_PROBE_1_(c, p, n, x1) STAPES_DECLARED_1_(p, n, c, STAPES_PLAIN_(x1))
#define STAPES_PROBE_2_(c, p, n, x1, x2) STAPES_DECLARED_2_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2))
#define STAPES_PROBE_3_(c, p, n, x1, x2, x3) \
    STAPES_DECLARED_3_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3))
#define STAPES_PROBE_4_(c, p, n, x1, x2, x3, x4) \
    STAPES_DECLARED_4_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4))
#define STAPES_PROBE_5_(c, p, n, x1, x2, x3, x4, x5) \
    STAPES_DECLARED_5_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5))
#define STAPES_PROBE_6_(c, p, n, x1, x2, x3, x4, x5, x6) \
    STAPES_DECLARED_6_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5), STAPES_PLAIN_(x6))
#define STAPES_PROBE_7_(c, p, n, x1, x2, x3, x4, x5, x6, x7) \
    STAPES_DECLARED_7_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5), STAPES_PLAIN_(x6), STAPES_PLAIN_(x7))
#define STAPES_PROBE_8_(c, p, n, x1, x2, x3, x4, x5, x6, x7, x8) \
    STAPES_DECLARED_8_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5), STAPES_PLAIN_(x6), STAPES_PLAIN_(x7), STAPES_PLAIN_(x8))
#define STAPES_PROBE_9_(c, p, n, x1, x2, x3, x4, x5, x6, x7, x8, x9) \
    STAPES_DECLARED_9_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5), STAPES_PLAIN_(x6), STAPES_PLAIN_(x7), STAPES_PLAIN_(x8), STAPES_PLAIN_(x9))
#define STAPES_PROBE_10_(c, p, n, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10) \
    STAPES_DECLARED_10_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5), STAPES_PLAIN_(x6), STAPES_PLAIN_(x7), STAPES_PLAIN_(x8), STAPES_PLAIN_(x9), \
        STAPES_PLAIN_(x10))
#define STAPES_PROBE_11_(c, p, n, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11) \
    STAPES_DECLARED_11_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5), STAPES_PLAIN_(x6), STAPES_PLAIN_(x7), STAPES_PLAIN_(x8), STAPES_PLAIN_(x9), \
        STAPES_PLAIN_(x10), STAPES_PLAIN_(x11))
#define STAPES_PROBE_12_(c, p, n, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12) \
    STAPES_DECLARED_12_(p, n, c, STAPES_PLAIN_(x1), STAPES_PLAIN_(x2), STAPES_PLAIN_(x3), STAPES_PLAIN_(x4), \
        STAPES_PLAIN_(x5), STAPES_PLAIN_(x6), STAPES_PLAIN_(x7), STAPES_PLAIN_(x8), STAPES_PLAIN_(x9), \
        STAPES_PLAIN_(x10), STAPES_PLAIN_(x11), STAPES_PLAIN_(x12))

/* ---- The names of other headers. ---- */

#ifdef STAPES_COMPATIBLE_NAMES

/* SystemTap's sys/sdt.h. As there: with _SDT_HAS_SEMAPHORES, the program defines `provider_name_semaphore` (`dtrace -G` does)
   and tests it itself. */
#if defined(_SDT_HAS_SEMAPHORES) || defined(STAP_HAS_SEMAPHORES)
#define STAPES_SDT_COUNTED_ ELSEWHERE
#else
#define STAPES_SDT_COUNTED_ 1
#endif
#define STAP_PROBEV(provider, ...) \
    STAPES_PASTE_(STAPES_PROBE_, STAPES_COUNT_(__VA_ARGS__))(STAPES_SDT_COUNTED_, provider, __VA_ARGS__)
#define DTRACE_PROBE(provider, name) STAP_PROBEV(provider, name)
#define STAP_PROBE(provider, name) STAP_PROBEV(provider, name)
#define DTRACE_PROBE1 STAP_PROBEV
#define DTRACE_PROBE2 STAP_PROBEV
#define DTRACE_PROBE3 STAP_PROBEV
#define DTRACE_PROBE4 STAP_PROBEV
#define DTRACE_PROBE5 STAP_PROBEV
#define DTRACE_PROBE6 STAP_PROBEV
#define DTRACE_PROBE7 STAP_PROBEV
#define DTRACE_PROBE8 STAP_PROBEV
#define DTRACE_PROBE9 STAP_PROBEV
#define DTRACE_PROBE10 STAP_PROBEV
#define DTRACE_PROBE11 STAP_PROBEV
#define DTRACE_PROBE12 STAP_PROBEV
#define STAP_PROBE1 STAP_PROBEV
#define STAP_PROBE2 STAP_PROBEV
#define STAP_PROBE3 STAP_PROBEV
#define STAP_PROBE4 STAP_PROBEV
#define STAP_PROBE5 STAP_PROBEV
#define STAP_PROBE6 STAP_PROBEV
#define STAP_PROBE7 STAP_PROBEV
#define STAP_PROBE8 STAP_PROBEV
#define STAP_PROBE9 STAP_PROBEV
#define STAP_PROBE10 STAP_PROBEV
#define STAP_PROBE11 STAP_PROBEV
#define STAP_PROBE12 STAP_PROBEV

/* folly/tracing/StaticTracepoint.h. Semaphores need no definition. */
#define FOLLY_SDT STAPES_PROBE
#define FOLLY_SDT_WITH_SEMAPHORE STAPES_PROBE
#define FOLLY_SDT_IS_ENABLED(provider, name) STAPES_ENABLED(provider, name)
#define FOLLY_SDT_DEFINE_SEMAPHORE(provider, name) STAPES_DEFINE_SEMAPHORE(provider, name)
#define FOLLY_SDT_DECLARE_SEMAPHORE(provider, name) STAPES_DEFINE_SEMAPHORE(provider, name)

#endif

#endif

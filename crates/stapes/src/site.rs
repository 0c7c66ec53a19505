//! The machine code of a site, its notes and its semaphore: the one place that writes assembly.
//!
//! # What a site is
//!
//! ```text
//! .text            nop (on x86-64: nop, then a 10-byte nop)           <- the address in both notes
//! .note.stapsdt    site, base, semaphore, provider, name, "-4@%rcx 8@%rax"
//! .note.stapes     site, base, what each argument means and is called
//! .probes          the semaphore: 2 bytes, one per probe and per linked file
//! .stapsdt.base    one byte, one per linked file
//! stapes_sites     nothing but a reference to the site
//! ```
//!
//! # What must hold, and why it is written as it is
//!
//! - *A note lives exactly as long as its code.*
//!   Linkers collect functions that nobody calls, but keep note sections, which then point into nothing
//!   (and tracers refuse the whole probe).
//!   `SHF_LINK_ORDER` ("o") ties the note section to the section of the site.
//!   The flag needs a symbol, and a numeric label is none; so every site numbers itself, by a counter that
//!   the assembler keeps.
//!   The compiler may copy a site any number of times (inlining, unrolling): each copy counts on.
//!   mold does not know the flag for notes.
//!   It keeps what is referred to by a section with the name of a C identifier, though: there, code with a site stays.
//!   The other linkers see the flag of that section, too, and collect it.
//! - *One semaphore per probe, whatever number of sites, functions, codegen units and crates.*
//!   It is a weak hidden symbol in a COMDAT group, defined by each object that uses it; the linker keeps one.
//!   Its name separates provider and name by a dot, so `a_b:c` and `a:b_c` differ.
//! - *The semaphore is never on a file page that becomes read-only after relocation.*
//!   The kernel finds the semaphore's memory by file offset, and before the program runs it would find the other
//!   mapping of a shared page.
//!   So `.probes` contains an empty group that is aligned to the largest page size.
//! - *Nothing that has to stay is collected.* `.probes` and `.stapsdt.base` are `SHF_GNU_RETAIN` ("R").
//! - *The tracer sees memory as the program wrote it.*
//!   The assembly is not `nomem`: the compiler has stored everything that an argument may point to.
//!   It is `readonly`: the compiler need not load anything again.
//! - *A uprobe needs a whole instruction*, and newer kernels replace a 10-byte nop by a call that spares the red zone.
//!   They would also take a 5-byte nop, but that call destroys what a leaf function keeps below its stack pointer.
//!
//! # How it is written
//!
//! Rust knows the type of an argument, but only the assembler can write text into a note.
//! All that the assembler needs to be told of an argument is one byte, its [meaning](crate::meaning), and its registers;
//! the meanings of six arguments are one constant, which a generic function passes on.
//! (A constant per argument and property reads better, but each costs the compiler as much as a small function.)
//!
//! Up to six arguments lie in two registers each, of which the second is not loaded where the argument has no second slot.
//! More arguments all lie in an array on the stack, two slots each, with its address in one register.
//!
//! The assembler macros are defined once per object, where the first site or test is.
//! Their names carry a number that changes with their text, as two versions of this crate may meet in one object.

/// Emits `fn __stapes_fire(arguments)` where it stands: a function that is one site.
///
/// Input: provider, name, 1 or 0 for a probe with or without a semaphore, the structure for so many arguments, and each
/// as `(FIRST SECOND [NAME] [TYPE])`: its fields there, and what stands for the argument's name and type in a `concat!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __fire {
    ($provider:tt $probe:tt $counted:literal $Arguments:ident
        [$(($first:ident $second:ident [$($name:tt)*] [$($type:tt)*]))*]
    ) => {
        #[inline(always)]
        fn __stapes_fire<T: $crate::private::Values>(arguments: $crate::private::$Arguments<T>) {
            #[cfg(all(
                target_arch = "x86_64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code is nops, which change nothing; the rest is data for other sections.
            unsafe {
                ::core::arch::asm!(
                    $crate::__assembler_for_x86_64!(),
                    $crate::__assembler!(),
                    $crate::__site!($provider $probe $counted),
                    $(concat!("stapes1_argument \"{}\", \"{}\", \"", $($name)*, "\", \"", $($type)*, "\""),)*
                    "stapes1_end",
                    $(in(reg) arguments.$first, in(reg) arguments.$second,)*
                    means = const T::MEANINGS,
                    options(att_syntax, readonly, nostack, preserves_flags),
                );
            }
            #[cfg(all(
                target_arch = "aarch64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code is nops, which change nothing; the rest is data for other sections.
            unsafe {
                ::core::arch::asm!(
                    $crate::__assembler_for_aarch64!(),
                    $crate::__assembler!(),
                    $crate::__site!($provider $probe $counted),
                    $(concat!("stapes1_argument \"{}\", \"{}\", \"", $($name)*, "\", \"", $($type)*, "\""),)*
                    "stapes1_end",
                    $(in(reg) arguments.$first, in(reg) arguments.$second,)*
                    means = const T::MEANINGS,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
    };
}

/// [`__fire!`](crate::__fire) for more arguments, in an array on the stack: six, and up to six more, each as `([NAME] [TYPE])`.
#[doc(hidden)]
#[macro_export]
macro_rules! __fire_from_array {
    ($provider:tt $probe:tt $counted:literal
        [$(([$($name:tt)*] [$($type:tt)*]))*] [$(([$($more_name:tt)*] [$($more_type:tt)*]))*]
    ) => {
        #[inline(always)]
        fn __stapes_fire<Array, A: $crate::private::Values, B: $crate::private::Values>(
            array: Array,
            _: $crate::private::PhantomData<A>,
            _: $crate::private::PhantomData<B>,
        ) {
            #[cfg(all(
                target_arch = "x86_64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code is nops, which change nothing; the rest is data for other sections.
            unsafe {
                ::core::arch::asm!(
                    $crate::__assembler_for_x86_64!(),
                    $crate::__assembler!(),
                    $crate::__assembler_for_array_x86_64!(),
                    $crate::__assembler_for_array!(),
                    $crate::__site!($provider $probe $counted),
                    $(concat!("stapes1_stored \"{array}\", \"", $($name)*, "\", \"", $($type)*, "\""),)*
                    ".set .Lstapes1_means, {more}",
                    $(concat!("stapes1_stored \"{array}\", \"", $($more_name)*, "\", \"", $($more_type)*, "\""),)*
                    "stapes1_end",
                    array = in(reg) &raw const array,
                    means = const A::MEANINGS,
                    more = const B::MEANINGS,
                    options(att_syntax, readonly, nostack, preserves_flags),
                );
            }
            #[cfg(all(
                target_arch = "aarch64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code is nops, which change nothing; the rest is data for other sections.
            unsafe {
                ::core::arch::asm!(
                    $crate::__assembler_for_aarch64!(),
                    $crate::__assembler!(),
                    $crate::__assembler_for_array_aarch64!(),
                    $crate::__assembler_for_array!(),
                    $crate::__site!($provider $probe $counted),
                    $(concat!("stapes1_stored \"{array}\", \"", $($name)*, "\", \"", $($type)*, "\""),)*
                    ".set .Lstapes1_means, {more}",
                    $(concat!("stapes1_stored \"{array}\", \"", $($more_name)*, "\", \"", $($more_type)*, "\""),)*
                    "stapes1_end",
                    array = in(reg) &raw const array,
                    means = const A::MEANINGS,
                    more = const B::MEANINGS,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
    };
}

/// Is `true` where the semaphore is not 0: one compare and one branch.
#[doc(hidden)]
#[macro_export]
macro_rules! __is_enabled {
    ($provider:tt $probe:tt) => {{
        // Set only where there are probes.
        #[allow(unused_mut, reason = "it stays as it is where there are no probes")]
        let mut enabled = false;
        #[cfg(all(
            target_arch = "x86_64",
            target_pointer_width = "64",
            any(target_os = "linux", target_os = "android"),
            not(miri)
        ))]
        // SAFETY: the code reads the semaphore, which this assembly itself defines, and continues at one of the two ends.
        unsafe {
            ::core::arch::asm!(
                $crate::__assembler_for_x86_64!(),
                $crate::__assembler!(),
                $crate::__test!($provider $probe),
                enabled = label { enabled = true },
                options(att_syntax, readonly, nostack),
            );
        }
        #[cfg(all(
            target_arch = "aarch64",
            target_pointer_width = "64",
            any(target_os = "linux", target_os = "android"),
            not(miri)
        ))]
        // SAFETY: the code reads the semaphore, which this assembly itself defines, and continues at one of the two ends.
        unsafe {
            ::core::arch::asm!(
                $crate::__assembler_for_aarch64!(),
                $crate::__assembler!(),
                $crate::__test!($provider $probe),
                enabled = label { enabled = true },
                out("x16") _,
                options(readonly, nostack),
            );
        }
        enabled
    }};
}

/// The assembly of a site up to its arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __site {
    ($provider:literal $probe:literal $counted:literal) => {
        concat!(
            ".altmacro; stapes1_site %.Lstapes1, \"",
            $provider,
            "\", \"",
            $probe,
            "\", ",
            $counted,
            "; .noaltmacro; .set .Lstapes1_means, {means}"
        )
    };
    ($provider:literal $probe:tt $counted:literal) => {
        concat!(
            ".altmacro; stapes1_site %.Lstapes1, \"",
            $provider,
            "\", \"",
            stringify!($probe),
            "\", ",
            $counted,
            "; .noaltmacro; .set .Lstapes1_means, {means}"
        )
    };
    ($provider:tt $probe:literal $counted:literal) => {
        concat!(
            ".altmacro; stapes1_site %.Lstapes1, \"",
            stringify!($provider),
            "\", \"",
            $probe,
            "\", ",
            $counted,
            "; .noaltmacro; .set .Lstapes1_means, {means}"
        )
    };
    ($provider:tt $probe:tt $counted:literal) => {
        concat!(
            ".altmacro; stapes1_site %.Lstapes1, \"",
            stringify!($provider),
            "\", \"",
            stringify!($probe),
            "\", ",
            $counted,
            "; .noaltmacro; .set .Lstapes1_means, {means}"
        )
    };
}

/// The assembly that jumps to the label `enabled` where the semaphore is not 0.
#[doc(hidden)]
#[macro_export]
macro_rules! __test {
    ($provider:literal $probe:literal) => {
        concat!("stapes1_test \"", $provider, "\", \"", $probe, "\", {enabled}")
    };
    ($provider:literal $probe:tt) => {
        concat!("stapes1_test \"", $provider, "\", \"", stringify!($probe), "\", {enabled}")
    };
    ($provider:tt $probe:literal) => {
        concat!("stapes1_test \"", stringify!($provider), "\", \"", $probe, "\", {enabled}")
    };
    ($provider:tt $probe:tt) => {
        concat!("stapes1_test \"", stringify!($provider), "\", \"", stringify!($probe), "\", {enabled}")
    };
}

/// What the assembler must know on x86-64; [`__assembler!`](crate::__assembler) continues it.
#[doc(hidden)]
#[macro_export]
macro_rules! __assembler_for_x86_64 {
    () => {
        ".ifndef .Lstapes1;\
        .macro stapes1_code; nop; .byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0; .endm;\
        .macro stapes1_page; .balign 4096; .endm;\
        .macro stapes1_test provider, name, enabled;\
            stapes1_semaphore \"stapes_semaphore.\\provider\\().\\name\";\
            cmpw $0, \"stapes_semaphore.\\provider\\().\\name\"(%rip);\
            jne \\enabled;\
        .endm"
    };
}

/// What the assembler must know on aarch64, whose pages may have 64 KiB.
#[doc(hidden)]
#[macro_export]
macro_rules! __assembler_for_aarch64 {
    () => {
        ".ifndef .Lstapes1;\
        .macro stapes1_code; nop; .endm;\
        .macro stapes1_page; .balign 65536; .endm;\
        .macro stapes1_test provider, name, enabled;\
            stapes1_semaphore \"stapes_semaphore.\\provider\\().\\name\";\
            adrp x16, \"stapes_semaphore.\\provider\\().\\name\";\
            ldrh w16, [x16, :lo12:\"stapes_semaphore.\\provider\\().\\name\"];\
            cbnz w16, \\enabled;\
        .endm"
    };
}

/// What the assembler must know before the first site or test of an object, and what each object has once.
///
/// One line of text: the compiler keeps a position for each line of each site.
#[doc(hidden)]
#[macro_export]
macro_rules! __assembler {
    () => {
        ".set .Lstapes1, 0;\
        .macro stapes1_site number, provider, name, counted;\
            .if \\counted; stapes1_semaphore \"stapes_semaphore.\\provider\\().\\name\"; .endif;\
            .Lstapes1_\\number: stapes1_code;\
            .set .Lstapes1, .Lstapes1 + 1;\
            .set .Lstapes1_at, 0;\
            .pushsection stapes_sites, \"ao\", @progbits, .Lstapes1_\\number;\
            .reloc ., BFD_RELOC_NONE, .Lstapes1_\\number;\
            .popsection;\
            .pushsection .note.stapes, \"o\", @note, .Lstapes1_\\number;\
            .balign 4;\
            .4byte 7, 9913f - 9912f, 1;\
            .asciz \"stapes\"; .balign 4;\
            9912: .8byte .Lstapes1_\\number, _.stapsdt.base;\
            .pushsection .note.stapsdt, \"o\", @note, .Lstapes1_\\number;\
            .balign 4;\
            .4byte 8, 9923f - 9922f, 3;\
            .asciz \"stapsdt\";\
            9922: .8byte .Lstapes1_\\number, _.stapsdt.base;\
            .if \\counted; .8byte \"stapes_semaphore.\\provider\\().\\name\"; .else; .8byte 0; .endif;\
            .asciz \"\\provider\"; .asciz \"\\name\";\
        .endm;\
        .macro stapes1_end;\
            .byte 0; 9923: .balign 4; .popsection;\
            .byte 0; 9913: .balign 4; .popsection;\
        .endm;\
        .macro stapes1_argument first, second, name, type;\
            stapes1_size;\
            .ascii \"@\\first\";\
            .if .Lstapes1_means >> 2 & 15 >= 8; .ascii \" 8@\\second\";\
            .elseif .Lstapes1_means >> 2 & 47 > 32 && .Lstapes1_means >> 2 & 47 < 38; .ascii \" 1@\\second\";\
            .endif;\
            stapes1_meaning \"\\name\", \"\\type\";\
        .endm;\
        .macro stapes1_size;\
            .if .Lstapes1_at; .ascii \" \"; .endif;\
            .if .Lstapes1_means >> 2 & 15 == 2; .ascii \"-\"; .endif;\
            .byte 48 + (1 << (.Lstapes1_means & 3));\
        .endm;\
        .macro stapes1_meaning name, type;\
            .previous;\
            .byte .Lstapes1_means & 255; .asciz \"\\name\"; .asciz \"\\type\";\
            .previous;\
            .set .Lstapes1_means, .Lstapes1_means >> 8;\
            .set .Lstapes1_at, .Lstapes1_at + 16;\
        .endm;\
        .macro stapes1_semaphore symbol;\
            .ifndef \"\\symbol\";\
            .pushsection .probes, \"awGR\", @progbits, \"\\symbol\", comdat;\
            .weak \"\\symbol\"; .hidden \"\\symbol\"; .type \"\\symbol\", @object; .size \"\\symbol\", 2;\
            .balign 2; \"\\symbol\": .2byte 0;\
            .popsection;\
            .endif;\
        .endm;\
        .pushsection .probes, \"awGR\", @progbits, stapes_semaphore_page, comdat;\
        .weak stapes_semaphore_page; .hidden stapes_semaphore_page;\
        stapes1_page;\
        .set stapes_semaphore_page, .;\
        .popsection;\
        .ifndef _.stapsdt.base;\
        .pushsection .stapsdt.base, \"aGR\", @progbits, .stapsdt.base, comdat;\
        .weak _.stapsdt.base; .hidden _.stapsdt.base; .size _.stapsdt.base, 1;\
        _.stapsdt.base: .space 1;\
        .popsection;\
        .endif;\
        .endif"
    };
}

/// What the assembler must know more for arguments in an array on x86-64.
#[doc(hidden)]
#[macro_export]
macro_rules! __assembler_for_array_x86_64 {
    () => {
        ".ifndef .Lstapes1_array;\
        .macro stapes1_place array, offset;\
            stapes1_number \\offset; .ascii \"(\\array)\";\
        .endm"
    };
}

/// The same on aarch64.
#[doc(hidden)]
#[macro_export]
macro_rules! __assembler_for_array_aarch64 {
    () => {
        ".ifndef .Lstapes1_array;\
        .macro stapes1_place array, offset;\
            .ascii \"[\\array\"; .if \\offset; .ascii \", \"; stapes1_number \\offset; .endif; .ascii \"]\";\
        .endm"
    };
}

/// What the assembler must know more for arguments in an array.
#[doc(hidden)]
#[macro_export]
macro_rules! __assembler_for_array {
    () => {
        ".set .Lstapes1_array, 0;\
        .macro stapes1_stored array, name, type;\
            stapes1_size;\
            .ascii \"@\"; stapes1_place \\array, .Lstapes1_at;\
            .if .Lstapes1_means >> 2 & 15 >= 8;\
            .ascii \" 8@\"; stapes1_place \\array, (.Lstapes1_at+8);\
            .elseif .Lstapes1_means >> 2 & 47 > 32 && .Lstapes1_means >> 2 & 47 < 38;\
            .ascii \" 1@\"; stapes1_place \\array, (.Lstapes1_at+8);\
            .endif;\
            stapes1_meaning \"\\name\", \"\\type\";\
        .endm;\
        .macro stapes1_number number;\
            .if \\number >= 100; .byte 48 + \\number / 100; .endif;\
            .if \\number >= 10; .byte 48 + \\number / 10 % 10; .endif;\
            .byte 48 + \\number % 10;\
        .endm;\
        .endif"
    };
}

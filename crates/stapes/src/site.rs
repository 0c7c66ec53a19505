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
//! The assembler macros are defined once per object, where the first site or semaphore is (`.ifndef`);
//! their names carry a number that changes with their text, as two versions of this crate may meet in one object.
//!
//! Up to six arguments lie in registers: `{s0}@{r0}` is the size and the register, `{x0}@{q0}` the second slot,
//! which the assembler leaves out where its size is 0 (nothing is loaded into the register of an unused slot).
//! More arguments all lie in an array on the stack, two slots each, with its address in one register.

/// Emits `fn fire(a, b, …)` where it stands: a function that is one site.
///
/// Input: provider, name, 1 or 0 for a probe with or without a semaphore, and the arguments, each as
/// `(ROW [NAME] [TYPE])`: a row of [`__rows!`](crate::__rows), and what stands for the argument's name and type
/// in a `concat!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __fire {
    // Seven or more: from memory.
    ($provider:tt $probe:tt $counted:literal
        [$a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $($more:tt)*]
    ) => {
        $crate::__fire_from_memory! { $provider $probe $counted [$a $b $c $d $e $f $g $($more)*] }
    };
    ($provider:tt $probe:tt $counted:literal
        [$((
            ($Type:ident $value:ident $s:ident $x:ident $k:ident $r:ident $q:ident
             $register:literal $x86_64:literal $aarch64:literal $kind:literal)
            [$($name:tt)*] [$($type:tt)*]
        ))*]
    ) => {
        #[inline(always)]
        fn fire<$($Type: $crate::Value),*>($($value: $Type),*) {
            $(let [$r, $q] = $value.slots();)*
            #[cfg(all(
                target_arch = "x86_64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code is nops, which change nothing; the rest is data for other sections.
            unsafe {
                ::core::arch::asm!(
                    $crate::__site!(x86_64 $provider $probe $counted),
                    $($register,)*
                    "stapes1_meaning",
                    $(concat!($kind, $($name)*, "\"\n.asciz \"", $($type)*, "\""),)*
                    "stapes1_end",
                    $(
                        $r = in(reg) $r,
                        $q = in(reg) $q,
                        $s = const $Type::SIZE,
                        $x = const $Type::SECOND,
                        $k = const $Type::KIND,
                    )*
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
                    $crate::__site!(aarch64 $provider $probe $counted),
                    $($register,)*
                    "stapes1_meaning",
                    $(concat!($kind, $($name)*, "\"\n.asciz \"", $($type)*, "\""),)*
                    "stapes1_end",
                    $(
                        $r = in(reg) $r,
                        $q = in(reg) $q,
                        $s = const $Type::SIZE,
                        $x = const $Type::SECOND,
                        $k = const $Type::KIND,
                    )*
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
    };
}

/// [`__fire!`](crate::__fire) with the arguments in an array on the stack.
#[doc(hidden)]
#[macro_export]
macro_rules! __fire_from_memory {
    ($provider:tt $probe:tt $counted:literal
        [$((
            ($Type:ident $value:ident $s:ident $x:ident $k:ident $r:ident $q:ident
             $register:literal $x86_64:literal $aarch64:literal $kind:literal)
            [$($name:tt)*] [$($type:tt)*]
        ))*]
    ) => {
        #[inline(always)]
        fn fire<$($Type: $crate::Value),*>($($value: $Type),*) {
            let array = [$($value.slots()),*];
            #[cfg(all(
                target_arch = "x86_64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code is nops, which change nothing; the rest is data for other sections.
            unsafe {
                ::core::arch::asm!(
                    $crate::__site!(x86_64 $provider $probe $counted),
                    $($x86_64,)*
                    "stapes1_meaning",
                    $(concat!($kind, $($name)*, "\"\n.asciz \"", $($type)*, "\""),)*
                    "stapes1_end",
                    array = in(reg) &raw const array,
                    $(
                        $s = const $Type::SIZE,
                        $x = const $Type::SECOND,
                        $k = const $Type::KIND,
                    )*
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
                    $crate::__site!(aarch64 $provider $probe $counted),
                    $($aarch64,)*
                    "stapes1_meaning",
                    $(concat!($kind, $($name)*, "\"\n.asciz \"", $($type)*, "\""),)*
                    "stapes1_end",
                    array = in(reg) &raw const array,
                    $(
                        $s = const $Type::SIZE,
                        $x = const $Type::SECOND,
                        $k = const $Type::KIND,
                    )*
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
    };
}

/// Emits `fn is_enabled() -> bool` where it stands: one compare with the semaphore and one branch.
#[doc(hidden)]
#[macro_export]
macro_rules! __is_enabled {
    ($provider:tt $probe:tt) => {
        #[inline(always)]
        fn is_enabled() -> bool {
            #[cfg(all(
                target_arch = "x86_64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code reads the semaphore, which this assembly itself defines, and jumps to one of the two ends.
            unsafe {
                ::core::arch::asm!(
                    $crate::__test!(x86_64 $provider $probe),
                    enabled = label { return true },
                    options(att_syntax, readonly, nostack),
                );
            }
            #[cfg(all(
                target_arch = "aarch64",
                target_pointer_width = "64",
                any(target_os = "linux", target_os = "android"),
                not(miri)
            ))]
            // SAFETY: the code reads the semaphore, which this assembly itself defines, and jumps to one of the two ends.
            unsafe {
                ::core::arch::asm!(
                    $crate::__test!(aarch64 $provider $probe),
                    enabled = label { return true },
                    out("x16") _,
                    options(readonly, nostack),
                );
            }
            false
        }
    };
}

/// The text of a provider or name: an identifier, or a string for what is not one.
#[doc(hidden)]
#[macro_export]
macro_rules! __text {
    ($text:literal) => {
        $text
    };
    ($name:tt) => {
        stringify!($name)
    };
}

/// The assembly of a site up to its arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __site {
    ($arch:ident $provider:tt $probe:tt $counted:literal) => {
        concat!(
            $crate::__assembler!($arch),
            ".altmacro\nstapes1_site %.Lstapes1_sites, \"",
            $crate::__text!($provider),
            "\", \"",
            $crate::__text!($probe),
            "\", ",
            $counted,
            "\n.noaltmacro"
        )
    };
}

/// The assembly that jumps to the label `enabled` where the semaphore is not 0.
#[doc(hidden)]
#[macro_export]
macro_rules! __test {
    ($arch:ident $provider:tt $probe:tt) => {
        concat!(
            $crate::__assembler!($arch),
            "stapes1_test \"",
            $crate::__text!($provider),
            "\", \"",
            $crate::__text!($probe),
            "\", {enabled}"
        )
    };
}

/// What the assembler must know before the first site or test of an object.
#[doc(hidden)]
#[macro_export]
macro_rules! __assembler {
    (x86_64) => {
        concat!(
            ".ifndef .Lstapes1_sites\n",
            ".macro stapes1_code
                nop
                .byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
            .endm
            .macro stapes1_test provider, name, enabled
                stapes1_semaphore \"\\provider\", \"\\name\"
                cmpw $0, \"stapes_semaphore.\\provider\\().\\name\"(%rip)
                jne \\enabled
            .endm
            .macro stapes1_page
                .balign 4096
            .endm\n",
            $crate::__assembler!()
        )
    };
    (aarch64) => {
        concat!(
            ".ifndef .Lstapes1_sites\n",
            ".macro stapes1_code
                nop
            .endm
            .macro stapes1_test provider, name, enabled
                stapes1_semaphore \"\\provider\", \"\\name\"
                adrp x16, \"stapes_semaphore.\\provider\\().\\name\"
                ldrh w16, [x16, :lo12:\"stapes_semaphore.\\provider\\().\\name\"]
                cbnz w16, \\enabled
            .endm
            .macro stapes1_page
                .balign 65536
            .endm\n",
            $crate::__assembler!()
        )
    };
    () => {
        "
        .set .Lstapes1_sites, 0
        .macro stapes1_site number, provider, name, counted
            .if \\counted
                stapes1_semaphore \"\\provider\", \"\\name\"
            .endif
            .Lstapes1_site_\\number:
            stapes1_code
            .set .Lstapes1_sites, .Lstapes1_sites + 1
            .pushsection .note.stapes, \"o\", @note, .Lstapes1_site_\\number
            .balign 4
            .4byte 9911f - 9910f, 9913f - 9912f, 1
            9910: .asciz \"stapes\"
            9911: .balign 4
            9912: .8byte .Lstapes1_site_\\number, _.stapsdt.base
            .pushsection .note.stapsdt, \"o\", @note, .Lstapes1_site_\\number
            .balign 4
            .4byte 9921f - 9920f, 9923f - 9922f, 3
            9920: .asciz \"stapsdt\"
            9921: .balign 4
            9922: .8byte .Lstapes1_site_\\number, _.stapsdt.base
            .if \\counted
                .8byte \"stapes_semaphore.\\provider\\().\\name\"
            .else
                .8byte 0
            .endif
            .asciz \"\\provider\"
            .asciz \"\\name\"
        .endm
        .macro stapes1_meaning
            .byte 0
            9923: .balign 4
            .popsection
        .endm
        .macro stapes1_end
            .byte 0
            9913: .balign 4
            .popsection
        .endm
        .macro stapes1_semaphore provider, name
            .ifndef \"stapes_semaphore.\\provider\\().\\name\"
            .pushsection .probes, \"awGR\", @progbits, \"stapes_semaphore.\\provider\\().\\name\", comdat
            .weak \"stapes_semaphore.\\provider\\().\\name\"
            .hidden \"stapes_semaphore.\\provider\\().\\name\"
            .type \"stapes_semaphore.\\provider\\().\\name\", @object
            .size \"stapes_semaphore.\\provider\\().\\name\", 2
            .balign 2
            \"stapes_semaphore.\\provider\\().\\name\": .2byte 0
            .popsection
            .endif
        .endm
        .pushsection .probes, \"awGR\", @progbits, stapes_semaphore_page, comdat
        .weak stapes_semaphore_page
        .hidden stapes_semaphore_page
        stapes1_page
        stapes_semaphore_page:
        .popsection
        .ifndef _.stapsdt.base
        .pushsection .stapsdt.base, \"aGR\", @progbits, .stapsdt.base, comdat
        .weak _.stapsdt.base
        .hidden _.stapsdt.base
        _.stapsdt.base: .space 1
        .size _.stapsdt.base, 1
        .popsection
        .endif
        .endif\n"
    };
}

/// Calls `$then! { $before [ROW…] $after }` with the rows of the table that `__fire!` needs, one per argument.
///
/// A row: type parameter, name of the value, names of the operands (size, second size, kind, register, second register),
/// the argument from registers, from memory on x86-64, from memory on aarch64, and the beginning of its meaning.
#[doc(hidden)]
#[macro_export]
macro_rules! __rows {
    ($then:ident $($before:tt)*) => {
        $crate::$then! {
            [
                (A a s0 x0 k0 r0 q0
                 ".ascii \"{s0}@{r0}\"\n.if {x0}\n.ascii \" {x0}@{q0}\"\n.endif"
                 ".ascii \"{s0}@0({array})\"\n.if {x0}\n.ascii \" {x0}@8({array})\"\n.endif"
                 ".ascii \"{s0}@[{array}]\"\n.if {x0}\n.ascii \" {x0}@[{array}, 8]\"\n.endif"
                 ".byte {k0}\n.asciz \"")
                (B b s1 x1 k1 r1 q1
                 ".ascii \" {s1}@{r1}\"\n.if {x1}\n.ascii \" {x1}@{q1}\"\n.endif"
                 ".ascii \" {s1}@16({array})\"\n.if {x1}\n.ascii \" {x1}@24({array})\"\n.endif"
                 ".ascii \" {s1}@[{array}, 16]\"\n.if {x1}\n.ascii \" {x1}@[{array}, 24]\"\n.endif"
                 ".byte {k1}\n.asciz \"")
                (C c s2 x2 k2 r2 q2
                 ".ascii \" {s2}@{r2}\"\n.if {x2}\n.ascii \" {x2}@{q2}\"\n.endif"
                 ".ascii \" {s2}@32({array})\"\n.if {x2}\n.ascii \" {x2}@40({array})\"\n.endif"
                 ".ascii \" {s2}@[{array}, 32]\"\n.if {x2}\n.ascii \" {x2}@[{array}, 40]\"\n.endif"
                 ".byte {k2}\n.asciz \"")
                (D d s3 x3 k3 r3 q3
                 ".ascii \" {s3}@{r3}\"\n.if {x3}\n.ascii \" {x3}@{q3}\"\n.endif"
                 ".ascii \" {s3}@48({array})\"\n.if {x3}\n.ascii \" {x3}@56({array})\"\n.endif"
                 ".ascii \" {s3}@[{array}, 48]\"\n.if {x3}\n.ascii \" {x3}@[{array}, 56]\"\n.endif"
                 ".byte {k3}\n.asciz \"")
                (E e s4 x4 k4 r4 q4
                 ".ascii \" {s4}@{r4}\"\n.if {x4}\n.ascii \" {x4}@{q4}\"\n.endif"
                 ".ascii \" {s4}@64({array})\"\n.if {x4}\n.ascii \" {x4}@72({array})\"\n.endif"
                 ".ascii \" {s4}@[{array}, 64]\"\n.if {x4}\n.ascii \" {x4}@[{array}, 72]\"\n.endif"
                 ".byte {k4}\n.asciz \"")
                (F f s5 x5 k5 r5 q5
                 ".ascii \" {s5}@{r5}\"\n.if {x5}\n.ascii \" {x5}@{q5}\"\n.endif"
                 ".ascii \" {s5}@80({array})\"\n.if {x5}\n.ascii \" {x5}@88({array})\"\n.endif"
                 ".ascii \" {s5}@[{array}, 80]\"\n.if {x5}\n.ascii \" {x5}@[{array}, 88]\"\n.endif"
                 ".byte {k5}\n.asciz \"")
                (G g s6 x6 k6 r6 q6
                 ".ascii \" {s6}@{r6}\"\n.if {x6}\n.ascii \" {x6}@{q6}\"\n.endif"
                 ".ascii \" {s6}@96({array})\"\n.if {x6}\n.ascii \" {x6}@104({array})\"\n.endif"
                 ".ascii \" {s6}@[{array}, 96]\"\n.if {x6}\n.ascii \" {x6}@[{array}, 104]\"\n.endif"
                 ".byte {k6}\n.asciz \"")
                (H h s7 x7 k7 r7 q7
                 ".ascii \" {s7}@{r7}\"\n.if {x7}\n.ascii \" {x7}@{q7}\"\n.endif"
                 ".ascii \" {s7}@112({array})\"\n.if {x7}\n.ascii \" {x7}@120({array})\"\n.endif"
                 ".ascii \" {s7}@[{array}, 112]\"\n.if {x7}\n.ascii \" {x7}@[{array}, 120]\"\n.endif"
                 ".byte {k7}\n.asciz \"")
                (I i s8 x8 k8 r8 q8
                 ".ascii \" {s8}@{r8}\"\n.if {x8}\n.ascii \" {x8}@{q8}\"\n.endif"
                 ".ascii \" {s8}@128({array})\"\n.if {x8}\n.ascii \" {x8}@136({array})\"\n.endif"
                 ".ascii \" {s8}@[{array}, 128]\"\n.if {x8}\n.ascii \" {x8}@[{array}, 136]\"\n.endif"
                 ".byte {k8}\n.asciz \"")
                (J j s9 x9 k9 r9 q9
                 ".ascii \" {s9}@{r9}\"\n.if {x9}\n.ascii \" {x9}@{q9}\"\n.endif"
                 ".ascii \" {s9}@144({array})\"\n.if {x9}\n.ascii \" {x9}@152({array})\"\n.endif"
                 ".ascii \" {s9}@[{array}, 144]\"\n.if {x9}\n.ascii \" {x9}@[{array}, 152]\"\n.endif"
                 ".byte {k9}\n.asciz \"")
                (K k s10 x10 k10 r10 q10
                 ".ascii \" {s10}@{r10}\"\n.if {x10}\n.ascii \" {x10}@{q10}\"\n.endif"
                 ".ascii \" {s10}@160({array})\"\n.if {x10}\n.ascii \" {x10}@168({array})\"\n.endif"
                 ".ascii \" {s10}@[{array}, 160]\"\n.if {x10}\n.ascii \" {x10}@[{array}, 168]\"\n.endif"
                 ".byte {k10}\n.asciz \"")
                (L l s11 x11 k11 r11 q11
                 ".ascii \" {s11}@{r11}\"\n.if {x11}\n.ascii \" {x11}@{q11}\"\n.endif"
                 ".ascii \" {s11}@176({array})\"\n.if {x11}\n.ascii \" {x11}@184({array})\"\n.endif"
                 ".ascii \" {s11}@[{array}, 176]\"\n.if {x11}\n.ascii \" {x11}@[{array}, 184]\"\n.endif"
                 ".byte {k11}\n.asciz \"")
            ]
            $($before)*
        }
    };
}

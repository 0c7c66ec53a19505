//! Probes as lines of `uprobe_events`: `p:PROVIDER/NAME PATH:OFFSET(SEMAPHORE) arg0=%di:s32 arg1=+8(%bp):u64`.
//!
//! The kernel knows registers by their names in `struct pt_regs`, one register and a displacement as an address, and
//! symbols only by their distance in the file: `@+OFFSET` is the address at which the file would have that offset if
//! all of it were mapped like the code.
//! So an address with an index, a float in a register or a pair of registers cannot be said;
//! the event is defined without that argument, and a comment behind it names it.

use std::io::{self, Write};

use stapes_binary::{Arch, Arg, ArgSpec, Operand, Register, RegisterClass, Site};
use stapes_session::discovery::Found;

/// Events of the kernel have names of less than 64 bytes (`MAX_EVENT_NAME_LEN`).
const MAX_NAME: usize = 64;
/// The most arguments (`MAX_TRACE_ARGS`).
const MAX_ARGS: usize = 128;

pub(super) fn write(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    let path = found.path.display().to_string();
    if path.contains(char::is_whitespace) {
        return writeln!(
            out,
            "# {path:?}: the kernel splits lines at blanks, so no event can name this file"
        );
    }
    let Some(arch) = found.facts.arch else {
        return writeln!(out, "# {path}: an architecture whose registers are not known");
    };
    for probe in &found.facts.probes {
        let many = probe.probe.sites.len() > 1;
        for (index, site) in probe.probe.sites.iter().enumerate() {
            let group = identifier(&probe.probe.provider);
            let mut name = identifier(&probe.probe.name);
            if many {
                // As perf numbers them.
                name += &format!("_{}", index + 1);
            }
            let Some(offset) = site.file_offset else {
                writeln!(out, "# {group}/{name}: its address {} is not in the file", site.pc)?;
                continue;
            };
            if group.len() >= MAX_NAME || name.len() >= MAX_NAME {
                writeln!(out, "# {group}/{name}: the name is longer than the kernel allows")?;
                continue;
            }
            write!(out, "p:{group}/{name} {path}:{offset}")?;
            if let Some(semaphore) = site.semaphore_offset {
                write!(out, "({semaphore})")?;
            }
            let mut missing = Vec::new();
            for (number, arg) in site.args.iter().enumerate() {
                match fetch(arch, site, arg).filter(|_| number < MAX_ARGS) {
                    Some(text) => write!(out, " arg{number}={text}")?,
                    None => missing.push(format!("arg{number} ({})", arg.text)),
                }
            }
            if !missing.is_empty() {
                write!(out, " # without {}", missing.join(", "))?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// An argument in the kernel's words, if it has any for it.
fn fetch(arch: Arch, site: &Site, arg: &Arg) -> Option<String> {
    let spec = arg.spec.as_ref().ok()?;
    match &spec.operand {
        Operand::Register(register) if register.shift != 0 => {
            let (bits, shift) = (u32::from(spec.size) * 8, register.shift);
            // A bit-field, which the kernel has without sign only.
            (bits == 8 && !spec.signed)
                .then(|| Some(format!("%{}:b{bits}@{shift}/64", pt_regs(arch, *register)?)))?
        }
        Operand::Register(register) => Some(format!("%{}:{}", pt_regs(arch, *register)?, type_name(spec))),
        Operand::RegisterPair(..) => None,
        Operand::Constant(value) => Some(format!("\\{value}:{}", type_name(spec))),
        Operand::Memory { index: Some(_), .. } => None,
        Operand::Memory { base: Some(base), symbol: None, displacement, .. } => {
            Some(format!("{displacement:+}(%{}):{}", pt_regs(arch, *base)?, type_name(spec)))
        }
        Operand::Memory { base, symbol: Some(symbol), displacement, .. } => {
            if base.is_some_and(|b| b.class != RegisterClass::InstructionPointer) {
                return None;
            }
            let address = symbol.address?.0.wrapping_add_signed(*displacement);
            let offset = address.checked_sub(site.pc.0.checked_sub(site.file_offset?.0)?)?;
            Some(format!("@+{offset:#x}:{}", type_name(spec)))
        }
        Operand::Memory { base: None, .. } => None,
    }
}

fn type_name(spec: &ArgSpec) -> String {
    let kind = match (spec.float, spec.signed) {
        (true, _) => 'x',
        (false, true) => 's',
        (false, false) => 'u',
    };
    format!("{kind}{}", u32::from(spec.size) * 8)
}

/// The register's name in the kernel's table for the architecture (`regoffset_table`), by its DWARF number.
fn pt_regs(arch: Arch, register: Register) -> Option<String> {
    const X86_64: [&str; 17] = [
        "ax", "dx", "cx", "bx", "si", "di", "bp", "sp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "ip",
    ];
    const I386: [&str; 9] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "ip"];
    const ARM: [&str; 16] =
        ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "fp", "ip", "sp", "lr", "pc"];
    const RISCV: [&str; 32] = [
        "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
        "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
    ];
    if register.class == RegisterClass::Float {
        return None;
    }
    let number = usize::from(register.number);
    let table = |names: &[&str]| names.get(number).map(|n| (*n).to_owned());
    match arch {
        Arch::X86_64 => table(&X86_64),
        Arch::I386 => table(&I386),
        Arch::Arm => table(&ARM),
        Arch::Riscv64 => table(&RISCV),
        Arch::Aarch64 => match number {
            0..=30 => Some(format!("x{number}")),
            31 => Some("sp".to_owned()),
            _ => None,
        },
        Arch::Ppc64le => (number < 32).then(|| format!("gpr{number}")),
        Arch::S390x => (number < 16).then(|| format!("r{number}")),
    }
}

/// A name as the kernel takes it: a letter or `_`, then letters, digits and `_`.
fn identifier(name: &str) -> String {
    let mut text: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        text.insert(0, '_');
    }
    text
}

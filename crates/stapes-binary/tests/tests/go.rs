//! Go programs against their peers: `go tool nm`, `go version -m`, `go tool objdump`, and gdb on the debug information
//! that only the unstripped twin of a program has. What is read of the stripped one must be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::Command;

use stapes_binary::go::{ArgumentPlace, Cost, Go};
use stapes_binary::{Arch, Elf};

use crate::go_programs::{Built, Variant, programs};
use crate::support::{output, skip};

/// Runs `check` for every program that can be had, with its name for messages.
fn each(test: &str, check: impl Fn(&Built)) {
    let (built, reasons) = programs();
    for reason in &reasons {
        skip(test, reason);
    }
    built.iter().for_each(check);
}

fn read<T>(path: &Path, f: impl FnOnce(&Go<'_>) -> T) -> T {
    let file = File::open(path).unwrap();
    let elf = Elf::open(&file).unwrap().unwrap();
    let go = Go::open(&elf).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    f(&go)
}

fn tool(built: &Built, arguments: &[&str]) -> String {
    output(built.go.to_str().unwrap(), arguments).unwrap()
}

/// The functions of a program by address, as `go tool nm` has them.
fn symbols(built: &Built) -> BTreeMap<u64, Vec<String>> {
    let text = tool(built, &["tool", "nm", built.full.to_str().unwrap()]);
    let mut symbols: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.trim_start().splitn(3, ' ');
        let (Some(address), Some("T" | "t"), Some(name)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        symbols.entry(u64::from_str_radix(address, 16).unwrap()).or_default().push(name.to_owned());
    }
    symbols
}

#[test]
fn functions_are_those_of_nm_stripped_or_not() {
    each("functions_are_those_of_nm_stripped_or_not", |built| {
        let symbols = symbols(built);
        let ours: BTreeMap<u64, String> =
            read(&built.full, |go| go.functions().map(|f| (f.entry.0, f.name.into_owned())).collect());
        assert!(ours.len() > 5000, "{}: {}", built.name, ours.len());
        for (address, name) in &ours {
            let names = symbols.get(address).map(Vec::as_slice).unwrap_or_default();
            // Assembly has `.abi0` behind its name in the symbol table, and nm writes a dot for a middle dot.
            let name = &name.replace('·', ".");
            let same = names.iter().any(|n| n == name || n.strip_suffix(".abi0") == Some(name));
            assert!(same, "{}: {name} at {address:#x}: nm says {names:?}", built.name);
        }
        // And none is missing: whatever nm has within the code of Go.
        let (text, end) = read(&built.full, |go| (go.tables().text.0, go.tables().end_text.0));
        assert_eq!(symbols[&text].iter().filter(|n| *n == "runtime.text").count(), 1, "{}", built.name);
        let missing: Vec<_> =
            symbols.range(text..end).filter(|(address, _)| !ours.contains_key(address)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", built.name);
        // The stripped twin: the same functions at the same distance from the start of the code.
        let relative = |path: &Path| -> Vec<(u64, String, u64)> {
            read(path, |go| {
                let text = go.tables().text.0;
                let function = |f: stapes_binary::go::Function<'_>| {
                    (f.entry.0 - text, f.name.into_owned(), f.end.0 - f.entry.0)
                };
                go.functions().map(function).collect()
            })
        };
        assert!(relative(&built.full) == relative(&built.stripped), "{}: the twins differ", built.name);
    });
}

#[test]
fn build_information_is_that_of_go_version() {
    each("build_information_is_that_of_go_version", |built| {
        let said = tool(built, &["version", "-m", built.stripped.to_str().unwrap()]);
        let mut lines = said.lines();
        let version = lines.next().unwrap().rsplit_once(": ").unwrap().1.to_owned();
        let settings: Vec<String> = lines.map(|l| l.trim().to_owned()).collect();
        read(&built.stripped, |go| {
            let build = go.build_info().unwrap();
            assert_eq!(build.version, version);
            assert_eq!(build.minor(), Some(built.minor));
            assert_eq!(build.lines.iter().map(|l| l.trim()).collect::<Vec<_>>(), settings);
            let arch = if built.variant == Variant::Arm64 { "arm64" } else { "amd64" };
            assert_eq!(build.setting("GOARCH"), Some(arch));
        });
    });
}

/// A line of `go tool objdump`.
struct Line {
    place: String,
    address: u64,
    text: String,
}

/// The code of some functions, as `go tool objdump` has it.
fn objdump(built: &Built, functions: &str) -> BTreeMap<String, Vec<Line>> {
    let text = tool(built, &["tool", "objdump", "-s", functions, built.full.to_str().unwrap()]);
    let mut found: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("TEXT ") {
            name = rest.split("(SB)").next().unwrap().to_owned();
            continue;
        }
        let fields: Vec<&str> = line.split('\t').map(str::trim).filter(|f| !f.is_empty()).collect();
        if let [place, address, _, text, ..] = fields.as_slice() {
            let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
            let line = Line { place: (*place).to_owned(), address, text: (*text).to_owned() };
            found.entry(name.clone()).or_default().push(line);
        }
    }
    found
}

#[test]
fn places_are_those_of_objdump() {
    each("places_are_those_of_objdump", |built| {
        let arm = built.variant == Variant::Arm64;
        // Enough of the standard library, with all that compilers do, where the disassembly is quick.
        let wanted = r"^(main|net/http|runtime|strings)\.";
        let code = objdump(built, wanted);
        assert!(code.len() > 1000, "{}: {}", built.name, code.len());
        let mut checked = 0;
        read(&built.full, |go| {
            let functions: BTreeMap<u64, _> = go.functions().map(|f| (f.entry.0, f)).collect();
            for (name, lines) in &code {
                // Two functions of one name are joined by objdump's output.
                let entry = lines[0].address;
                let Some(function) = functions.get(&entry) else { continue };
                let inside = |l: &&Line| l.address < function.end.0;
                let lines: Vec<&Line> = lines.iter().filter(inside).collect();
                let ours = go.code(function).unwrap();
                let addresses = |wanted: &dyn Fn(&str) -> bool| -> Vec<u64> {
                    lines.iter().filter(|l| wanted(&l.text)).map(|l| l.address).collect()
                };
                let returns = addresses(&|text| text == "RET");
                let found: Vec<u64> = ours.returns.iter().map(|p| p.address.0).collect();
                match function.assembly {
                    // Go's disassembler gets lost behind instructions of vectors, which only assembly has.
                    true => assert!(returns.iter().all(|r| found.contains(r)), "{} {name}", built.name),
                    false => assert_eq!(found, returns, "{} {name}", built.name),
                }
                let cost = if arm { Cost::Emulated } else { Cost::SingleStepped };
                assert!(ours.returns.iter().all(|p| p.cost == cost));

                // Code that grows the stack is what a conditional jump to a call of morestack leads to.
                let grows = lines.iter().position(|l| l.text.contains("CALL runtime.morestack"));
                let conditional = |l: &&&Line| l.text.starts_with("JBE ") || l.text.starts_with("BLS ");
                let check = lines.iter().take(12).find(conditional);
                let start = match (grows, check) {
                    (Some(_), Some(check)) => {
                        let at = lines.iter().position(|l| l.address == check.address).unwrap();
                        lines[at + 1].address
                    }
                    (Some(_), None) => continue,
                    (None, _) => entry,
                };
                assert_eq!(ours.start.unwrap().address.0, start, "{} {name}", built.name);
                assert_eq!(ours.grow.is_some(), grows.is_some(), "{} {name}", built.name);
                if grows.is_some() && !arm && !function.assembly {
                    assert_eq!(ours.start.unwrap().cost, Cost::Emulated, "{} {name}", built.name);
                    assert!(!ours.start_repeats, "{} {name}", built.name);
                }
                checked += 1;
            }
        });
        assert!(checked > 1000, "{}: {checked}", built.name);
        // The functions of our own program for which something special holds.
        read(&built.stripped, |go| {
            let code = |name: &str| {
                let function = go.named(name);
                go.code(&function[0]).unwrap()
            };
            assert!(code("main.spin").returns.is_empty());
            assert!(code("main.leaf").grow.is_none());
            assert!(code("main.huge").grow.is_some());
            assert_eq!(code("main.deep").returns.len(), 2);
        });
    });
}

/// A place of an argument's part.
type Where = (char, u32);

/// The functions of the program, with what Go's calling convention (`abi-internal.md`) gives their parameters:
/// `i` and `f` are registers for integers and for floating-point numbers, `s` is a slot of the stack.
const ARGUMENTS: &[(&str, &str, &[Where])] = &[
    ("main.(*point).area", "0:8 8:8", &[('i', 0), ('i', 1)]),
    ("main.ints", "0:8 8:1 10:2 12:4", &[('i', 0), ('i', 1), ('i', 2), ('i', 3)]),
    ("main.text", "{0:8 8:8} 16:8", &[('i', 0), ('i', 1), ('i', 2)]),
    ("main.floats", "0:8 8:8 16:4", &[('f', 0), ('i', 0), ('f', 1)]),
    ("main.slices", "{0:8 8:8 16:8} {24:8 32:8}", &[('i', 0), ('i', 1), ('i', 2), ('i', 3), ('i', 4)]),
    ("main.structs", "{0:8 8:8} 16:8", &[('i', 0), ('i', 1), ('i', 2)]),
    // An array of two is on the stack, above the return address.
    ("main.arrays", "{0:8 8:8} 16:8", &[('s', 8), ('s', 16), ('i', 0)]),
    // The dictionary takes the first register.
    ("main.generic[go.shape.int]", "8:8 16:8", &[('i', 1), ('i', 2)]),
    ("main.generic[go.shape.string]", "{8:8 16:8} 24:8", &[('i', 1), ('i', 2), ('i', 3)]),
    ("main.outer", "0:8", &[('i', 0)]),
];

#[test]
fn arguments_are_where_the_calling_convention_has_them() {
    const AMD64: [&str; 9] = ["ax", "bx", "cx", "di", "si", "r8", "r9", "r10", "r11"];
    each("arguments_are_where_the_calling_convention_has_them", |built| {
        read(&built.stripped, |go| {
            let arm = go.arch() == Arch::Aarch64;
            let place = |place: &(char, u32)| match *place {
                ('i', n) if arm => format!("x{n}"),
                ('f', n) if arm => format!("d{n}"),
                ('i', n) => AMD64[n as usize].to_owned(),
                ('f', n) => format!("xmm{n}"),
                (_, n) => format!("stack {n}"),
            };
            let arguments = |name: &str| {
                let functions = go.named(name);
                let code = go.code(&functions[0]).unwrap();
                go.arguments(&functions[0], &code).unwrap().unwrap()
            };
            let places = |name: &str| -> Vec<String> {
                let parts = arguments(name).parts();
                let words = parts.iter().map(|p| match p.place {
                    ArgumentPlace::Register(register) => register.name(go.arch()),
                    ArgumentPlace::Stack(offset) => format!("stack {offset}"),
                    ArgumentPlace::Probably(register) => format!("probably {}", register.name(go.arch())),
                    ArgumentPlace::Unknown => "?".to_owned(),
                });
                words.collect()
            };
            for (name, layout, expected) in ARGUMENTS {
                assert_eq!(arguments(name).to_string(), *layout, "{} {name}", built.name);
                let expected: Vec<String> = expected.iter().map(place).collect();
                assert_eq!(places(name), expected, "{} {name}", built.name);
            }
            // Ten integers: all in registers of arm64; amd64 has nine.
            let last = if arm { "x9" } else { "stack 8" };
            assert_eq!(places("main.many").last().map(String::as_str), Some(last), "{}", built.name);
            // A leaf checks nothing and so saves nothing.
            let leaf = [('i', 0), ('i', 1)].map(|p| format!("probably {}", place(&p)));
            assert_eq!(places("main.leaf"), leaf, "{}", built.name);
            // Nor does a function that uses none of its arguments.
            let open = arguments("main.nothing.Open").to_string();
            assert_eq!(open, "{} {0:8 8:8}", "{}", built.name);
            assert_eq!(places("main.nothing.Open"), leaf, "{}", built.name);
        });
    });
}

#[test]
fn what_was_inlined_is_found_where_the_line_table_has_it() {
    each("what_was_inlined_is_found_where_the_line_table_has_it", |built| {
        let source = include_str!("../programs/go/main.go");
        let line = |start: &str| source.lines().position(|l| l.starts_with(start)).unwrap() + 1;
        let code = objdump(built, r"^main\.(outer|other)$");
        read(&built.full, |go| {
            let inlined = go.inlined(&|name| name == "main.inner" || name == "main.middle").unwrap();
            let names: Vec<&str> = inlined.iter().map(|i| i.name.as_str()).collect();
            assert_eq!(names, ["main.inner", "main.middle"], "{}", built.name);
            // The calls of the source, and no others.
            let calls: BTreeSet<(&str, Option<&str>)> =
                inlined[0].into.iter().map(|i| (i.function.as_str(), i.through.as_deref())).collect();
            let expected = BTreeSet::from([("main.other", None), ("main.outer", Some("main.middle"))]);
            assert_eq!(calls, expected, "{}", built.name);
            assert_eq!(inlined[0].into.len(), 3, "{}", built.name);
            assert_eq!(inlined[1].into.len(), 1, "{}", built.name);
            assert_eq!(inlined[1].into[0].function, "main.outer", "{}", built.name);
            // The instruction that is named comes from the line of the inlined body.
            for into in &inlined[0].into {
                let found = code[&into.function].iter().find(|l| l.address == into.address.0).unwrap();
                let expected = format!("main.go:{}", line("func inner"));
                assert!(found.place == expected || found.text.contains("os.Args"), "{}", found.place);
            }
            assert!(go.named("main.inner").is_empty());
        });
        read(&built.stripped, |go| {
            assert_eq!(go.inlined(&|name| name == "main.inner").unwrap()[0].into.len(), 3, "{}", built.name);
        });
    });
}

/// The types that a tracer of servers looks into.
const STRUCTS: &[&str] = &[
    "runtime.g",
    "runtime.m",
    "net/http.Request",
    "net/http.response",
    "net/http.Response",
    "net/http.conn",
    "net/url.URL",
    "crypto/tls.Conn",
    "database/sql.DB",
    "net.Dialer",
];

#[test]
fn struct_offsets_and_goid_are_those_of_the_debug_information() {
    let test = "struct_offsets_and_goid_are_those_of_the_debug_information";
    if output("gdb", &["--version"]).is_none() {
        return skip(test, "no gdb");
    }
    each(test, |built| {
        let structs = read(&built.stripped, |go| go.structs(STRUCTS).unwrap());
        let mut command = Command::new("gdb");
        command.args(["-nx", "-batch", "-ex", "set language c"]);
        let mut ours = Vec::new();
        for (name, found) in STRUCTS.iter().zip(&structs) {
            let found = found.as_ref().unwrap_or_else(|| panic!("{}: no {name}", built.name));
            command.arg("-ex").arg(format!("print/d sizeof(struct '{name}')"));
            ours.push(((*name).to_owned(), found.size));
            for field in found.fields.iter().filter(|f| f.name != "_") {
                command.arg("-ex").arg(format!("print/d (long)&((struct '{name}'*)0)->{}", field.name));
                ours.push((format!("{name}.{}", field.name), field.offset));
            }
        }
        let out = command.arg(&built.full).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let theirs: Vec<u64> =
            text.lines().filter_map(|l| l.strip_prefix('$')?.split_once(" = ")?.1.parse().ok()).collect();
        assert_eq!(theirs.len(), ours.len(), "{}: {}", built.name, String::from_utf8_lossy(&out.stderr));
        for ((name, ours), theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{} {name}", built.name);
        }
        let offset = |name: &str| ours.iter().position(|(n, _)| n == name).map(|at| theirs[at]);
        let goid = read(&built.stripped, |go| go.goid());
        assert_eq!(goid.offset, offset("runtime.g.goid"), "{}", built.name);
        assert_eq!(goid.by_type, goid.offset);
        assert_eq!(goid.by_code, goid.offset, "{}: by the code of newproc1", built.name);
        assert_eq!(goid.thread, offset("runtime.g.m"));
        assert_eq!(goid.current, offset("runtime.m.curg"));
    });
}

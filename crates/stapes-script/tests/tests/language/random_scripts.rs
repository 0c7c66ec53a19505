//! Random scripts that mean something: what compiles, the kernel's verifier must take.
//!
//! With `STAPES_RANDOM_SCRIPTS=N` in the environment N scripts are tried instead of a few.

use std::fmt::Write;

use stapes_kernel::{LoadOptions, Loaded};

use super::world::{World, text};
use crate::emit::kernel;
use crate::random::Random;

struct Author {
    random: Random,
    out: String,
    /// Variables that hold numbers, by scope.
    numbers: Vec<Vec<String>>,
    /// Variables that hold strings, by scope.
    strings: Vec<Vec<String>>,
    names: u32,
    loops: u32,
}

impl Author {
    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.random.below(from.len() as u64) as usize]
    }

    fn chance(&mut self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn number(&mut self, depth: u32) -> String {
        let leaf = depth == 0 || self.chance(3);
        if leaf {
            let known: Vec<String> = self.numbers.iter().flatten().cloned().collect();
            return match self.random.below(8) {
                0 => self.pick(&["0", "1", "-1", "7", "255", "0x7fffffff", "0xffffffffffff", "5ms"]).into(),
                1 | 2 => self.pick(&["arg0", "arg1"]).into(),
                3 => self
                    .pick(&["pid", "tid", "uid", "cpu", "nsecs", "elapsed", "rand", "ncpus", "cgroup"])
                    .into(),
                4 if !known.is_empty() => known[self.random.below(known.len() as u64) as usize].clone(),
                5 => self.pick(&["@n", "@n2", "@c", "@s", "@a", "@min", "@max"]).into(),
                6 => format!("@k[{}]", self.number(0)),
                _ => self
                    .pick(&["len(@k)", "len(comm)", "reg(\"sp\")", "*(uint16 *)arg1", "(1 == 1)", "@kc[1]"])
                    .into(),
            };
        }
        let (a, b) = (self.number(depth - 1), self.number(depth - 1));
        match self.random.below(10) {
            0..=3 => {
                let op = self.pick(&[
                    "+", "-", "*", "&", "|", "^", "<<", ">>", "<", "<=", ">", ">=", "==", "!=", "&&", "||",
                ]);
                format!("({a} {op} {b})")
            }
            4 => format!("({a} {} ({b} | 1))", self.pick(&["/", "%"])),
            5 => format!("({}({a}))", self.pick(&["-", "!", "~"])),
            6 => format!(
                "(({})({a}))",
                self.pick(&[
                    "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64", "bool"
                ])
            ),
            7 => format!("({} ? {a} : {b})", self.number(0)),
            8 => format!("({} == {})", self.string(), self.string()),
            _ => format!("strncmp({}, {}, {})", self.string(), self.string(), self.random.below(12)),
        }
    }

    fn string(&mut self) -> String {
        let known: Vec<String> = self.strings.iter().flatten().cloned().collect();
        match self.random.below(9) {
            0 => self.pick(&["\"\"", "\"a\"", "\"hello world\"", "\"0123456789abcdef\""]).into(),
            1 => "comm".into(),
            2 | 3 => format!("str({})", self.number(1)),
            4 => format!("str(arg0, {})", self.number(1)),
            5 if !known.is_empty() => known[self.random.below(known.len() as u64) as usize].clone(),
            6 => self.pick(&["@str", "@ks[1]"]).into(),
            7 => format!("({} ? comm : str(arg0))", self.number(0)),
            _ => "str(arg0)".into(),
        }
    }

    fn printed(&mut self) -> (&'static str, String) {
        match self.random.below(9) {
            0 | 1 => ("%s", self.string()),
            2 => ("%r", self.pick(&["buf(arg0, 8)", "buf(arg0, arg1)", "@buf"]).into()),
            3 => (
                "%s",
                self.pick(&["usym(arg0)", "ksym(arg1)", "ustack(3)", "kstack", "username", "probe", "func"])
                    .into(),
            ),
            4 => ("%s", format!("({}, {})", self.number(1), self.string())),
            _ => ("%lld", self.number(2)),
        }
    }

    fn key(&mut self) -> String {
        format!("{}, {}", self.number(1), self.string())
    }

    fn block(&mut self, depth: u32) {
        self.numbers.push(Vec::new());
        self.strings.push(Vec::new());
        for _ in 0..1 + self.random.below(5) {
            self.statement(depth);
        }
        self.numbers.pop();
        self.strings.pop();
    }

    fn statement(&mut self, depth: u32) {
        let line = match self.random.below(20) {
            0 => format!("@n = {};", self.number(2)),
            1 => format!("@n2 {} {};", self.pick(&["+=", "-=", "*=", "|=", "^=", "<<="]), self.number(1)),
            2 => {
                format!("@k[{}] {} {};", self.number(1), self.pick(&["=", "+=", "&=", "-="]), self.number(1))
            }
            3 => self
                .pick(&["@n++;", "--@n;", "@k[pid]++;", "@k[arg0]--;", "delete(@k, 1);", "delete(@n2);"])
                .into(),
            4 => {
                let function =
                    self.pick(&["@s = sum", "@a = avg", "@min = min", "@max = max", "@st = stats"]);
                format!("{function}({});", self.number(1))
            }
            5 => format!("@c = count(); @kc[{}] = count();", self.number(1)),
            6 => format!("@h = hist({}); @h3 = hist({}, 3);", self.number(1), self.number(1)),
            7 => format!(
                "@l = lhist({}, -10, 100, 3); @kh[{}] = hist({});",
                self.number(1),
                self.key(),
                self.number(1)
            ),
            8 => format!("@str = {}; @ks[{}] = {};", self.string(), self.number(1), self.string()),
            9 => {
                format!("@buf = buf(arg0, {}); @ku[ustack(5), {}] = count();", self.number(0), self.string())
            }
            10 => {
                let name = format!("$n{}", self.names);
                self.names += 1;
                let line = format!("{name} = {};", self.number(2));
                if let Some(scope) = self.numbers.last_mut() {
                    scope.push(name);
                }
                line
            }
            11 => {
                let name = format!("$s{}", self.names);
                self.names += 1;
                let line = format!("{name} = {};", self.string());
                if let Some(scope) = self.strings.last_mut() {
                    scope.push(name);
                }
                line
            }
            12 | 13 => {
                let fields: Vec<(&str, String)> = (0..self.random.below(4)).map(|_| self.printed()).collect();
                let format: Vec<&str> = fields.iter().map(|(f, _)| *f).collect();
                let values: String = fields.iter().map(|(_, v)| format!(", {v}")).collect();
                format!("printf(\"{}\"{values});", format.join(" "))
            }
            14 => format!("print({}); print(@k); print(({}, 1));", self.printed().1, self.string()),
            15 | 16 if depth > 0 => {
                let condition = self.number(2);
                let _ = write!(self.out, "if ({condition}) {{ ");
                self.block(depth - 1);
                self.out += "} else { ";
                self.block(depth - 1);
                "}".into()
            }
            17 if depth > 0 && self.loops < 2 => {
                self.loops += 1;
                let _ = write!(
                    self.out,
                    "for ($i : 0..{}) {{ if ($i == 3) {{ continue; }} ",
                    2 + self.random.below(6)
                );
                self.block(0);
                "}".into()
            }
            18 if depth > 0 => {
                self.out += "unroll (3) { ";
                self.block(0);
                "}".into()
            }
            _ => self
                .pick(&[
                    "time(); ",
                    "clear(@k);",
                    "cat(\"/x%d\", pid);",
                    "_ = has_key(@k, 1);",
                    "@t = (pid, comm);",
                ])
                .into(),
        };
        let _ = write!(self.out, "{line} ");
    }
}

fn script(seed: u64) -> String {
    let random = Random(seed);
    let (out, numbers, strings) = (String::new(), Vec::new(), Vec::new());
    let mut author = Author { random, out, numbers, strings, names: 0, loops: 0 };
    // What everything may read.
    author.out += "BEGIN { @n = 1; @n2 = 2; @c = count(); @s = sum(1); @a = avg(1); @min = min(1); @max = max(1); @k[1] = 1; @kc[1] = count(); } ";
    author.out += "usdt:/app:p:text { @str = str(arg0); @ks[1] = str(arg0); @buf = buf(arg0, 8); } ";
    let probe = author.pick(&[
        "usdt:/app:p:text",
        "usdt:/app:p:split",
        "uprobe:/app:*",
        "usdt:/app:p:tick, uprobe:/app:main",
    ]);
    author.out += probe;
    if author.chance(2) {
        let predicate = author.number(2);
        let _ = write!(author.out, " /({predicate})/");
    }
    author.out += " { ";
    author.block(2);
    author.out += "}";
    author.out
}

#[test]
fn what_compiles_the_verifier_accepts() {
    if !kernel::available("what_compiles_the_verifier_accepts") {
        return;
    }
    let wanted = std::env::var("STAPES_RANDOM_SCRIPTS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let (mut failures, mut loaded) = (Vec::new(), 0);
    for seed in 0..wanted {
        let source = script(seed);
        let mut world = World::new();
        world.options.max_strlen = if seed % 2 == 0 { 64 } else { 200 };
        match world.compile(&source) {
            Err(errors) if errors.iter().any(|e| e.slug == "internal-error") || seed < 5 => {
                failures.push(format!("{seed}: {source}\n{}", text(&source, &errors)));
            }
            Err(errors) => {
                let slugs: Vec<&str> =
                    errors.iter().map(|e| e.slug).filter(|s| *s != "unused-variable").collect();
                assert!(
                    slugs.iter().all(|s| [
                        "mixed-signs",
                        "out-of-range",
                        "division-by-zero",
                        "too-much-memory",
                        "unused-value",
                        "program-too-long"
                    ]
                    .contains(s)),
                    "{seed}: {source}\n{}",
                    text(&source, &errors)
                );
            }
            Ok((object, _)) => match Loaded::load(object, &LoadOptions::default()) {
                Ok(_) => loaded += 1,
                Err(error) => {
                    let log = error.log.clone().unwrap_or_default();
                    let lines: Vec<&str> = log.lines().collect();
                    let tail = lines[lines.len().saturating_sub(12)..].join("\n");
                    failures.push(format!("{seed}: {source}\n{error}\n{tail}"));
                }
            },
        }
    }
    assert!(failures.is_empty(), "{} of {wanted}\n{}", failures.len(), failures.join("\n\n"));
    assert!(loaded * 4 > wanted * 3, "only {loaded} of {wanted} compile");
}

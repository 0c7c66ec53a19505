//! A small world for scripts: the probes that exist in it, and the machine.

use stapes_binary::{Arch, Arg, ArgSpec, FileOff, Operand, Probe, Site, Vaddr};
use stapes_bpf::{Image, Object};
use stapes_script::ast::{AttachKind, Script};
use stapes_script::catalog::{Answer, Catalog, Match, Options, Place, Target, Variable};
use stapes_script::diagnostics::Diagnostic;
use stapes_script::render;

/// What exists. `usdt:/app:p:NAME` matches the probes of that name, `uprobe:/app:f` the functions.
pub(crate) struct World {
    pub(crate) target: Target,
    pub(crate) options: Options,
    /// Name, and the arguments at each of its sites.
    pub(crate) probes: Vec<(&'static str, Vec<&'static str>)>,
    pub(crate) functions: Vec<&'static str>,
    pub(crate) image: Image,
    /// Where the first site or function is in the file; each further one is 16 bytes behind.
    pub(crate) offset: u64,
    /// Where the first sites are, if not there.
    pub(crate) offsets: Vec<u64>,
    /// Symbols with their addresses.
    pub(crate) symbols: Vec<(&'static str, u64)>,
}

impl World {
    pub(crate) fn new() -> World {
        World {
            target: Target {
                arch: Arch::X86_64,
                uprobe_multi: true,
                copy_from_user_str: true,
                attach_cookie: true,
                bpf_v4: true,
                cpus: 2,
                page_size: 4096,
            },
            options: Options { max_strlen: 64, ..Options::default() },
            probes: vec![
                ("tick", vec!["-4@%esi 8@%rdi"]),
                ("text", vec!["8@%rdi -8@%rsi"]),
                ("split", vec!["-4@%edi 8@-8(%rbp)", "-4@$7 8@%rdi", "-4@%edi 8@-8(%rbp)"]),
                ("odd", vec!["8@what 4@%eax"]),
                ("none", vec![""]),
                ("many", vec!["1@%ah 2@%dx 4@8(%rax,%rcx,4) 8@(%rsp) -1@%sil 8@$-1"]),
            ],
            functions: vec!["main", "helper"],
            image: Image { name: "/app".into(), path: "/app".into(), pids: Vec::new() },
            offset: 0x1000,
            offsets: Vec::new(),
            symbols: Vec::new(),
        }
    }

    /// Everything that a script's attach points match.
    pub(crate) fn catalog(&self, script: &Script) -> Catalog {
        let answers = script.attach_points().map(|point| self.answer(&point.kind)).collect();
        Catalog { images: vec![self.image.clone()], answers }
    }

    fn answer(&self, kind: &AttachKind) -> Answer {
        let mut answer = Answer::default();
        let further = (0..).map(|n| self.offset + 16 * n);
        let mut offsets = self.offsets.iter().copied().chain(further);
        let mut next = move || offsets.next().unwrap();
        match kind {
            AttachKind::Usdt { name, .. } => {
                for (probe, sites) in &self.probes {
                    let sites: Vec<Site> =
                        sites.iter().map(|arguments| self.site(next(), arguments)).collect();
                    if name != "*" && name != probe {
                        continue;
                    }
                    let functions = (0..sites.len()).map(|i| Some(format!("{probe}_{i}"))).collect();
                    let full = format!("usdt:{}:p:{probe}", self.image.name);
                    let probe = Probe { provider: "p".into(), name: (*probe).into(), sites };
                    answer.matches.push(Match {
                        image: 0,
                        arch: Arch::X86_64,
                        name: full,
                        place: Place::Usdt { probe, functions },
                        variables: self.variables(),
                    });
                }
                answer.near = self.probes.iter().take(1).map(|(n, _)| format!("usdt:/app:p:{n}")).collect();
            }
            AttachKind::Uprobe { function, ret, .. } => {
                for known in &self.functions {
                    let file_offset = next();
                    if function == "*" || function == known {
                        let kind = if *ret { "uretprobe" } else { "uprobe" };
                        let address = Vaddr(file_offset);
                        let place = Place::Function { function: (*known).into(), address, file_offset };
                        let name = format!("{kind}:{}:{known}", self.image.name);
                        answer.matches.push(Match {
                            image: 0,
                            arch: Arch::X86_64,
                            name,
                            place,
                            variables: self.variables(),
                        });
                    }
                }
            }
            _ => {}
        }
        answer
    }

    fn variables(&self) -> Vec<Variable> {
        let variable = |(name, address): &(&str, u64)| Variable {
            name: (*name).into(),
            address: Vaddr(*address),
            size: if name.ends_with("32") { 4 } else { 8 },
        };
        self.symbols.iter().map(variable).collect()
    }

    fn site(&self, offset: u64, arguments: &str) -> Site {
        let mut args: Vec<Arg> = stapes_binary::argument::parse_all(Some(Arch::X86_64), arguments).collect();
        for arg in &mut args {
            let Ok(ArgSpec { operand: Operand::Memory { symbol: Some(symbol), .. }, .. }) = &mut arg.spec
            else {
                continue;
            };
            let known = self.symbols.iter().find(|(name, _)| *name == symbol.name);
            symbol.address = known.map(|(_, address)| Vaddr(*address));
        }
        Site {
            pc: Vaddr(offset),
            file_offset: Some(FileOff(offset)),
            semaphore: None,
            semaphore_offset: None,
            arguments: arguments.into(),
            args,
            described: Vec::new(),
            base: Vaddr(0),
            note_offset: 0,
        }
    }

    /// Compiles a script.
    pub(crate) fn compile(&self, source: &str) -> Result<(Object, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (script, errors) = stapes_script::parse_with(source, &self.options.parameters);
        if !errors.is_empty() {
            return Err(errors);
        }
        stapes_script::compile(&script, &self.catalog(&script), &self.target, &self.options)
    }

    /// The IR of a script.
    pub(crate) fn lower(&self, source: &str) -> String {
        let (script, errors) = stapes_script::parse_with(source, &self.options.parameters);
        assert!(errors.is_empty(), "{}", text(source, &errors));
        let catalog = self.catalog(&script);
        match stapes_script::lower(&script, &catalog, &self.target, &self.options) {
            Ok((module, _)) => {
                module.functions.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            }
            Err(errors) => panic!("{}", text(source, &errors)),
        }
    }
}

/// Diagnostics as the script's author sees them.
pub(crate) fn text(source: &str, diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> =
        diagnostics.iter().map(|d| render::render("x.bt", source, d, render::Style::Plain)).collect();
    lines.join("\n")
}

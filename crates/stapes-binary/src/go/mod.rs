//! Go programs: their functions, where to probe them, their arguments, types and build, from any file that the Go
//! toolchain made, stripped and position-independent ones too.
//!
//! Nothing here needs symbols or DWARF: the Go runtime has tables of its own to walk stacks, collect garbage and
//! reflect, and no `strip` can take them away. How they are found is told in [`moduledata`](self::Tables).
//! The layers, from the bytes upwards: `image` (memory with relocations), `moduledata` (finds the tables),
//! `functions`, and on these `code` (stack checks, returns), `arguments`, `inline`, `types` and `goid`.
//!
//! Every table is a claim of the file: nothing in it can make the reader panic, or work longer than the file is large.

mod arguments;
mod arm64;
mod build_info;
mod code;
mod error;
mod functions;
mod goid;
mod image;
mod inline;
mod moduledata;
mod types;

pub use arguments::{Argument, ArgumentPlace, Arguments, Part};
pub use build_info::BuildInfo;
pub use code::{ArgumentRegister, Code, Cost, Place, Saved, cost};
pub use error::GoError;
pub use functions::Function;
pub use goid::Goid;
pub use inline::{Inlined, InlinedInto};
pub use moduledata::{Found, Tables};
pub use types::{Field, Struct};

use functions::{Data, Functions};
use image::Image;
use moduledata::Search;

use crate::elf::Elf;
use crate::{Arch, FileOff, Vaddr};

/// A Go program, or a library with Go in it.
pub struct Go<'e> {
    image: Image<'e>,
    build: Option<BuildInfo>,
    tables: Tables,
    functions: Functions,
}

/// The most bytes of one function; the longest of real programs have a megabyte.
const MAX_CODE: u64 = 64 << 20;

impl<'e> Go<'e> {
    /// Finds the tables of a Go program and reads that of its functions.
    ///
    /// # Errors
    /// It is not a Go program, one of a Go before 1.18, packed, or garbled; or its tables are truncated or damaged.
    pub fn open(elf: &'e Elf<'e>) -> Result<Go<'e>, GoError> {
        let image = match Image::new(elf) {
            Ok(image) => image,
            Err(error) => return Err(if build_info::has_marks(elf) { error } else { GoError::NotGo }),
        };
        let build = BuildInfo::read(&image)?;
        let version = || build.as_ref().map(|b| b.version.clone());
        let mut tables = match Tables::find(&image)? {
            Search::Found(tables) => *tables,
            Search::Old(tables) => return Err(GoError::TooOld { version: version(), tables }),
            Search::Broken(error) => return Err(error),
            Search::Nothing if is_packed(elf)? => return Err(GoError::Packed { with: "UPX" }),
            Search::Nothing if build.is_some() || build_info::has_marks(elf) => {
                return Err(GoError::Garbled { version: version() });
            }
            Search::Nothing => return Err(GoError::NotGo),
        };
        // The offsets of fields had a flag in them then.
        if build.as_ref().and_then(BuildInfo::minor) == Some(18) {
            tables.types = None;
        }
        let functions = Functions::read(&image, &tables)?;
        Ok(Go { image, build, tables, functions })
    }

    /// The architecture: x86-64 or aarch64.
    pub fn arch(&self) -> Arch {
        self.image.arch
    }

    /// What the linker says about the build, if that was left in.
    pub fn build_info(&self) -> Option<&BuildInfo> {
        self.build.as_ref()
    }

    /// Where the tables are, and what they say of the whole.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Every function, in the order of addresses.
    pub fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        (0..self.functions.len()).filter_map(|index| self.functions.get(index, &self.image))
    }

    /// The functions of that name: several where a function of assembly has a wrapper, or a generic one several
    /// instances.
    pub fn named(&self, name: &str) -> Vec<Function<'_>> {
        let indices = self.functions.named(name);
        indices.into_iter().filter_map(|index| self.functions.get(index, &self.image)).collect()
    }

    /// Looks through a function's code.
    ///
    /// # Errors
    /// The code is not in the file.
    pub fn code(&self, function: &Function<'_>) -> Result<Code, GoError> {
        let bytes = self.bytes(function)?;
        Ok(code::look(self.arch(), function.entry, &bytes, function.file_offset))
    }

    /// The arguments of a function, if the program says something about them: functions without any, and most of those
    /// in assembly, have no such data. `code` is that of the function.
    ///
    /// # Errors
    /// The file cannot be read, or its layout is not known.
    pub fn arguments(&self, function: &Function<'_>, code: &Code) -> Result<Option<Arguments>, GoError> {
        let Some(gofunc) = self.tables.gofunc else { return Err(GoError::Unknown { table: "arguments" }) };
        let Some(data) = self.functions.data(function.record, Data::Arguments) else { return Ok(None) };
        let at = Vaddr(gofunc.0.wrapping_add(data.into()));
        let bytes = self.image.up_to(at, arguments::MOST_BYTES, "arguments")?;
        Ok(Arguments::read(&bytes, self.arch(), function, code))
    }

    /// The functions that were inlined somewhere and whose names are wanted, by name. A function may be inlined in one
    /// place and called in another.
    ///
    /// # Errors
    /// The tables are damaged, or their layout is not known.
    pub fn inlined(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Inlined>, GoError> {
        inline::inlined(&self.image, &self.tables, &self.functions, wanted)
    }

    /// The struct types of these names (`net/http.Request`), each at its place in the list, if the program has exactly
    /// one of that name.
    ///
    /// # Errors
    /// The types are not in the file, or the layout is not known.
    pub fn structs(&self, names: &[&str]) -> Result<Vec<Option<Struct>>, GoError> {
        Ok(types::Types::read(&self.image, &self.tables)?.find(names))
    }

    /// Where a goroutine has its number.
    pub fn goid(&self) -> Goid {
        let mut structs = self.structs(&["runtime.g", "runtime.m"]).unwrap_or_default().into_iter();
        let (g, m) = (structs.next().flatten(), structs.next().flatten());
        let by_code = self.named("runtime.newproc1").iter().find_map(|f| {
            let bytes = self.bytes(f).ok()?;
            goid::by_code(self.arch(), &bytes)
        });
        let released = self.build.as_ref().and_then(BuildInfo::released);
        Goid::new(g.as_ref(), m.as_ref(), by_code, released)
    }

    /// Where an address is in the file.
    pub fn file_offset(&self, address: Vaddr) -> Option<FileOff> {
        self.image.file_offset(address)
    }

    fn bytes(&self, function: &Function<'_>) -> Result<Vec<u8>, GoError> {
        let size = function.end.0.saturating_sub(function.entry.0);
        self.image.up_to(function.entry, size.min(MAX_CODE), "code")
    }
}

/// Whether the file begins as the UPX packer leaves it: with its mark behind the program headers.
fn is_packed(elf: &Elf<'_>) -> Result<bool, GoError> {
    let head = elf.read(0, 1024, 1024, "e_ident")?;
    Ok(memchr::memmem::find(&head, b"UPX!").is_some())
}

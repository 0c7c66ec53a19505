//! One image by itself: what interfaces that imitate other libraries are built from.
//!
//! Where the program has a dynamic linker the image is loaded by it, so that debuggers see it among the program's
//! libraries; a static executable maps it itself.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr;

use crate::args::{MAX_WORDS, Place};
use crate::backing::{Backing, Written};
use crate::image::{Image, Machine, ProbeImage, STRIDE};
use crate::site::Site;
use crate::{Error, epoch, sys};

/// A loaded image. It goes by [`RawImage::unload`]; dropping it only closes the file, since threads may be inside.
#[derive(Debug)]
pub struct RawImage {
    written: Written,
    loaded: ManuallyDrop<Loaded>,
    text: usize,
}

#[derive(Debug)]
enum Loaded {
    Linked(sys::Library),
    Mapped(sys::Mapping),
}

impl RawImage {
    /// Makes and loads an image with these probes; their notes name no semaphore.
    ///
    /// `label` names the memfd or the file.
    pub fn load(
        provider: &str,
        label: &str,
        backing: &Backing,
        probes: &[(&str, &[Place])],
    ) -> Result<RawImage, Error> {
        let machine = Machine::host()
            .ok_or(Error::Linker { message: "there are no images for this architecture".to_owned() })?;
        let parts: Vec<_> = probes.iter().map(|(name, places)| ProbeImage { name, places }).collect();
        let image = Image::new(machine, sys::page_size(), provider, &parts, false);
        let (written, loaded) = backing.write(label, &image.bytes, |written| {
            sys::open_library(&path_of(written)).map(Loaded::Linked).or_else(|error| {
                // Static executables have no dynamic linker, and without /proc a memfd has no name.
                sys::Mapping::new(&written.file, image.data, image.data_size)
                    .map(Loaded::Mapped)
                    .map_err(|_| error)
            })
        })?;
        Ok(RawImage { written, loaded: ManuallyDrop::new(loaded), text: image.text })
    }

    /// The address of the `n`th probe's function, which starts with the site.
    pub fn site(&self, n: usize) -> *mut u8 {
        let start = match &*self.loaded {
            Loaded::Linked(library) => library.start(),
            Loaded::Mapped(mapping) => mapping.start(),
        };
        start.wrapping_add(self.text + n * STRIDE)
    }

    /// What dlopen gave, or null where the image was mapped without it.
    pub fn handle(&self) -> *mut c_void {
        match &*self.loaded {
            Loaded::Linked(library) => library.handle(),
            Loaded::Mapped(_) => ptr::null_mut(),
        }
    }

    /// The file's descriptor, open as long as the image is loaded.
    pub fn descriptor(&self) -> i32 {
        self.written.file.as_raw_fd()
    }

    /// The file's name, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.written.path.as_deref()
    }

    /// Takes the image away, once no thread is inside it; nobody may be given its sites any more before this call.
    ///
    /// Where threads could not be waited for (see [`epoch::wait`]) the image stays.
    /// Returns false if the dynamic linker refused, as when somebody else has closed the handle.
    pub fn unload(self) -> bool {
        if !epoch::wait() {
            std::mem::forget(self);
            return true;
        }
        match ManuallyDrop::into_inner(self.loaded) {
            Loaded::Linked(library) => library.close(),
            Loaded::Mapped(_) => true,
        }
    }
}

/// The name by which the dynamic linker opens the file, and debuggers after it: in `/proc/self` they would find their
/// own descriptors, and may read from one of those for ever.
fn path_of(written: &Written) -> PathBuf {
    let by_descriptor =
        || PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), written.file.as_raw_fd()));
    written.path.clone().unwrap_or_else(by_descriptor)
}

/// Whether a site's first byte says that a tracer has replaced it.
///
/// # Safety
/// `site` must be a site of an image that is loaded, or the caller inside an [`epoch`] in which it still was.
#[inline(always)]
pub unsafe fn is_armed(site: *const u8) -> bool {
    // A tracer changes the byte at any time.
    // SAFETY: the caller's promise.
    let first = unsafe { ptr::read_volatile(site) };
    first != FIRST_BYTE
}

/// The first byte of an untraced site.
const FIRST_BYTE: u8 = if cfg!(target_arch = "aarch64") { 0x1f } else { 0xf2 };

/// Calls a site with words.
///
/// # Safety
/// As [`is_armed`]; the image must stay loaded during the call, which being inside an [`epoch`] ensures.
pub unsafe fn call(site: *const u8, words: &[u64; MAX_WORDS], count: usize) {
    // SAFETY: the caller's promise.
    unsafe { Site(site).call(words, count) }
}

//! `libstapsdt.so.0`: the interface of libstapsdt, so that the wrappers of a dozen languages run on stapes unchanged.
//!
//! The layouts of the three structures are part of the interface: wrappers read and write their fields.
//! What we need beyond them stands behind them, in `Owned`.
//!
//! Where the original would crash or corrupt memory, this library returns the error that the interface has:
//! null pointers, more than [`MAX_ARGUMENTS`] arguments, firing while another thread unloads, destroying what is
//! loaded, probes added after loading, a second load.
//!
//! Rust has no C-variadic functions yet; [`variadic`] enters by a few instructions of assembly.

#![allow(non_snake_case, reason = "the names are those of the C interface")]

pub mod variadic;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use stapes_provider::args::{MAX_WORDS, Place};
use stapes_provider::fork::{Guard, Lock};
use stapes_provider::raw::{self, RawImage};
use stapes_provider::{Backing, Error, epoch};

/// The most arguments of a probe: the structure has room for no more.
pub const MAX_ARGUMENTS: usize = 6;

/// `SDTError_t`.
type ErrorCode = c_int;
const NO_ERROR: ErrorCode = -1;
const ELF_CREATION_ERROR: ErrorCode = 0;
const TMP_CREATION_ERROR: ErrorCode = 1;
const SHARED_LIBRARY_OPEN_ERROR: ErrorCode = 2;
const SHARED_LIBRARY_CLOSE_ERROR: ErrorCode = 4;

/// `MemFDOption_t`.
const MEMFD_ENABLED: c_int = 1;

/// The longest name of a memfd (memfd_create(2)); providers whose names are longer cannot be loaded, as ever.
const LONGEST_LABEL: usize = 249;

/// `SDTProbe_t`.
#[repr(C)]
#[derive(Debug)]
pub struct Probe {
    name: *mut c_char,
    argFmt: [c_int; MAX_ARGUMENTS],
    _fire: AtomicPtr<u8>,
    provider: *mut Provider,
    argCount: c_int,
}

/// `SDTProbeList_t`.
#[repr(C)]
#[derive(Debug)]
pub struct ProbeList {
    probe: Probe,
    next: *mut ProbeList,
}

/// `SDTProvider_t`.
#[repr(C)]
#[derive(Debug)]
pub struct Provider {
    name: *mut c_char,
    probes: *mut ProbeList,
    errno: ErrorCode,
    error: *mut c_char,
    _handle: *mut c_void,
    _filename: *mut c_char,
    _memfd: c_int,
    _use_memfd: c_int,
}

/// A provider with what is behind the public structure. Calls that change it exclude each other.
#[repr(C)]
#[derive(Debug)]
struct Owned {
    public: Provider,
    images: Lock<Vec<RawImage>>,
}

/// `providerInit`: a new provider, or null without a name.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn providerInit(name: *const c_char) -> *mut Provider {
    // SAFETY: the caller's promise.
    let Some(name) = (unsafe { copy(name) }) else { return ptr::null_mut() };
    let public = Provider {
        name,
        probes: ptr::null_mut(),
        errno: NO_ERROR,
        error: ptr::null_mut(),
        _handle: ptr::null_mut(),
        _filename: ptr::null_mut(),
        _memfd: -1,
        _use_memfd: MEMFD_ENABLED,
    };
    Box::into_raw(Box::new(Owned { public, images: Lock::default() })).cast()
}

/// `providerUseMemfd`: 1 if the choice was taken, 0 if the provider is null or loaded.
///
/// # Safety
/// `provider` is null or came from [`providerInit`] and was not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn providerUseMemfd(provider: *mut Provider, use_memfd: c_int) -> c_int {
    if provider.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise; the lock keeps our own calls apart.
    unsafe {
        let images = lock(provider);
        if !images.is_empty() {
            return 0;
        }
        (*provider)._use_memfd = use_memfd;
    }
    1
}

/// What `providerAddProbe` does once its variable arguments stand in an array.
///
/// # Safety
/// As [`providerInit`] and [`providerUseMemfd`]; `types` holds at least `count` readable values, if `count` is within
/// bounds.
unsafe fn add_probe(
    provider: *mut Provider,
    name: *const c_char,
    count: c_int,
    types: impl Fn(usize) -> c_int,
) -> *mut Probe {
    if provider.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the caller's promises; the lock keeps our own calls apart.
    unsafe {
        let _images = lock(provider);
        let argument_count = match usize::try_from(count) {
            Ok(n) if n <= MAX_ARGUMENTS => n,
            _ => {
                let text = format!("a probe has 0 to {MAX_ARGUMENTS} arguments, and {count} were asked for");
                set_error(provider, ELF_CREATION_ERROR, &text);
                return ptr::null_mut();
            }
        };
        let Some(name) = copy(name) else {
            set_error(provider, ELF_CREATION_ERROR, "a probe needs a name");
            return ptr::null_mut();
        };
        let mut argFmt = [0; MAX_ARGUMENTS];
        for (i, kind) in argFmt.iter_mut().enumerate().take(argument_count) {
            *kind = types(i);
        }
        let probe = Probe { name, argFmt, _fire: AtomicPtr::default(), provider, argCount: count };
        let node = Box::into_raw(Box::new(ProbeList { probe, next: (*provider).probes }));
        (*provider).probes = node;
        &raw mut (*node).probe
    }
}

/// `providerLoad`: 0, or −1 with `errno` and `error` set.
///
/// # Safety
/// As [`providerUseMemfd`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn providerLoad(provider: *mut Provider) -> c_int {
    if provider.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise; the lock keeps our own calls apart.
    unsafe {
        let mut images = lock(provider);
        let fresh: Vec<*mut Probe> =
            probes(provider).into_iter().filter(|p| (**p)._fire.load(Ordering::Relaxed).is_null()).collect();
        if fresh.is_empty() && !images.is_empty() {
            return 0;
        }
        let name = CStr::from_ptr((*provider).name).to_string_lossy().into_owned();
        let places: Vec<Vec<Place>> = fresh.iter().map(|p| places(&**p)).collect();
        let names: Vec<String> =
            fresh.iter().map(|p| CStr::from_ptr((**p).name).to_string_lossy().into_owned()).collect();
        let parts: Vec<(&str, &[Place])> =
            names.iter().map(String::as_str).zip(places.iter().map(Vec::as_slice)).collect();
        match load_image(&name, (*provider)._use_memfd == MEMFD_ENABLED, &parts) {
            Ok(image) => {
                for (i, probe) in fresh.iter().enumerate() {
                    (**probe)._fire.store(image.site(i), Ordering::Release);
                }
                (*provider)._handle = image.handle();
                (*provider)._memfd = if image.path().is_some() { -1 } else { image.descriptor() };
                free((*provider)._filename);
                let path = image.path().map(|p| p.to_string_lossy().into_owned());
                (*provider)._filename =
                    path.and_then(|p| CString::new(p).ok()).map_or(ptr::null_mut(), CString::into_raw);
                images.push(image);
                0
            }
            Err(error) => {
                let code = match error {
                    Error::Linker { .. } => SHARED_LIBRARY_OPEN_ERROR,
                    _ => TMP_CREATION_ERROR,
                };
                set_error(provider, code, &error.to_string());
                -1
            }
        }
    }
}

/// An image where the user wants it; where `/tmp` does not do, in another folder.
fn load_image(name: &str, in_memfd: bool, probes: &[(&str, &[Place])]) -> Result<RawImage, Error> {
    if !in_memfd {
        let tmp = Backing::File(PathBuf::from("/tmp"));
        return RawImage::load(name, name, &tmp, probes)
            .or_else(|error| RawImage::load(name, name, &Backing::Named, probes).map_err(|_| error));
    }
    let label = format!("libstapsdt:{name}");
    if label.len() > LONGEST_LABEL {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidFilename);
        return Err(Error::System { call: "memfd_create", object: name.chars().take(40).collect(), source });
    }
    RawImage::load(name, &label, &Backing::Memfd, probes)
}

/// `providerUnload`: 0, or −1 with `errno` and `error` set.
///
/// # Safety
/// As [`providerUseMemfd`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn providerUnload(provider: *mut Provider) -> c_int {
    if provider.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise; the lock keeps our own calls apart.
    unsafe {
        let mut images = lock(provider);
        for probe in probes(provider) {
            (*probe)._fire.store(ptr::null_mut(), Ordering::Release);
        }
        let closed: Vec<bool> = images.drain(..).map(RawImage::unload).collect();
        (*provider)._handle = ptr::null_mut();
        (*provider)._memfd = -1;
        free((*provider)._filename);
        (*provider)._filename = ptr::null_mut();
        if closed.contains(&false) {
            let text = "the dynamic linker would not unload the image";
            set_error(provider, SHARED_LIBRARY_CLOSE_ERROR, text);
            return -1;
        }
    }
    0
}

/// `providerDestroy`: unloads and frees.
///
/// # Safety
/// As [`providerUseMemfd`]; neither the provider nor its probes are used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn providerDestroy(provider: *mut Provider) {
    if provider.is_null() {
        return;
    }
    // SAFETY: the caller's promises.
    unsafe {
        providerUnload(provider);
        let owned = Box::from_raw(provider.cast::<Owned>());
        let mut node = owned.public.probes;
        while !node.is_null() {
            let list = Box::from_raw(node);
            free(list.probe.name);
            node = list.next;
        }
        free(owned.public.name);
        free(owned.public.error);
    }
}

/// `probeIsEnabled`: 1 if a tracer is attached.
///
/// # Safety
/// `probe` is null or came from `providerAddProbe`, and its provider was not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probeIsEnabled(probe: *mut Probe) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { armed_site(probe) }.map_or(0, |_| 1)
}

/// What `probeFire` does: `word` gives the values one by one.
///
/// # Safety
/// As [`probeIsEnabled`]; `word` can be called with every number below the probe's number of arguments.
unsafe fn fire(probe: *mut Probe, word: impl Fn(usize) -> u64) {
    // SAFETY: the caller's promises.
    unsafe {
        let Some((site, _inside)) = armed_site(probe) else { return };
        let count = (*probe).argCount.clamp(0, MAX_ARGUMENTS as c_int) as usize;
        let mut words = [0; MAX_WORDS];
        for (i, place) in words.iter_mut().enumerate().take(count) {
            *place = word(i);
        }
        raw::call(site, &words, count);
    }
}

/// The probe's site if a tracer has replaced its first byte; it stays mapped while the second value lives.
#[inline(always)]
unsafe fn armed_site(probe: *mut Probe) -> Option<(*const u8, epoch::Inside)> {
    if probe.is_null() {
        return None;
    }
    // SAFETY: the caller's promise; within the epoch a site that is not null is mapped.
    unsafe {
        let inside = epoch::enter()?;
        let site = (*probe)._fire.load(Ordering::Acquire);
        (!site.is_null() && raw::is_armed(site)).then_some((site.cast_const(), inside))
    }
}

/// The places of a probe's arguments; what is no type of the interface is passed as eight bytes.
fn places(probe: &Probe) -> Vec<Place> {
    let count = probe.argCount.clamp(0, MAX_ARGUMENTS as c_int) as usize;
    let place = |kind: &c_int| match kind.unsigned_abs() {
        size @ (1 | 2 | 4 | 8) => Place { size: size as u8, signed: *kind < 0 },
        _ => Place { size: 8, signed: false },
    };
    probe.argFmt.iter().take(count).map(place).collect()
}

/// The provider's probes, the first added first.
///
/// # Safety
/// The provider is one of ours and locked.
unsafe fn probes(provider: *mut Provider) -> Vec<*mut Probe> {
    let mut found = Vec::new();
    // SAFETY: the list was made by `add_probe` and ends in null.
    unsafe {
        let mut node = (*provider).probes;
        while !node.is_null() {
            found.push(&raw mut (*node).probe);
            node = (*node).next;
        }
    }
    found.reverse();
    found
}

/// # Safety
/// The provider came from [`providerInit`].
unsafe fn lock<'a>(provider: *mut Provider) -> Guard<'a, Vec<RawImage>> {
    // SAFETY: every provider is the first part of an `Owned`.
    unsafe { &(*provider.cast::<Owned>()).images }.lock()
}

/// # Safety
/// The provider is one of ours and locked.
unsafe fn set_error(provider: *mut Provider, code: ErrorCode, text: &str) {
    let text = CString::new(text.replace('\0', "")).unwrap_or_default();
    // SAFETY: the field is null or came from `into_raw`.
    unsafe {
        free((*provider).error);
        (*provider).errno = code;
        (*provider).error = text.into_raw();
    }
}

/// A copy of a C string that [`free`] frees.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn copy(text: *const c_char) -> Option<*mut c_char> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { CStr::from_ptr(text) }.to_owned().into_raw())
}

/// # Safety
/// `text` is null or came from `CString::into_raw`.
unsafe fn free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { CString::from_raw(text) });
    }
}

//! `libusdt.so`: the interface of libusdt, DTrace's library for probes made at run time, working on Linux.
//!
//! The layouts of the structures are part of the interface.
//! A probe's definition is held twice at first, by its creator and for its provider, and goes when both have let go;
//! what the original leaves to luck (a null pointer, firing during a disable) has a defined result here.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use stapes_provider::args::{MAX_WORDS, Place};
use stapes_provider::fork::{Guard, Lock};
use stapes_provider::raw::{self, RawImage};
use stapes_provider::{Backing, epoch};

/// `USDT_ARG_MAX`.
pub const ARG_MAX: usize = MAX_WORDS;

/// `usdt_probe_t`.
#[repr(C)]
#[derive(Debug)]
pub struct Probe {
    isenabled_addr: *mut c_void,
    probe_addr: AtomicPtr<u8>,
}

/// `usdt_probedef_t`.
#[repr(C)]
#[derive(Debug)]
pub struct ProbeDefinition {
    name: *mut c_char,
    function: *mut c_char,
    argc: usize,
    types: [*mut c_char; ARG_MAX],
    probe: *mut Probe,
    next: *mut ProbeDefinition,
    refcnt: c_int,
}

/// `usdt_provider_t`.
#[repr(C)]
#[derive(Debug)]
pub struct Provider {
    name: *mut c_char,
    module: *mut c_char,
    probedefs: *mut ProbeDefinition,
    error: *mut c_char,
    enabled: c_int,
    file: *mut c_void,
}

/// A provider with what is behind the public structure. Calls that change it exclude each other.
#[repr(C)]
#[derive(Debug)]
struct Owned {
    public: Provider,
    images: Lock<Vec<RawImage>>,
}

/// `usdt_error_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorKind {
    Malloc,
    Valloc,
    NoProbes,
    LoadDof,
    AlreadyEnabled,
    UnloadDof,
    DuplicateProbe,
    RemoveProbe,
}

impl ErrorKind {
    /// By their numbers in the interface.
    const ALL: [ErrorKind; 8] = [
        ErrorKind::Malloc,
        ErrorKind::Valloc,
        ErrorKind::NoProbes,
        ErrorKind::LoadDof,
        ErrorKind::AlreadyEnabled,
        ErrorKind::UnloadDof,
        ErrorKind::DuplicateProbe,
        ErrorKind::RemoveProbe,
    ];
}

/// `usdt_create_provider`: null without a name; a missing module is an empty one.
///
/// # Safety
/// Both are null or C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_create_provider(name: *const c_char, module: *const c_char) -> *mut Provider {
    // SAFETY: the caller's promise.
    let (name, module) = unsafe { (copy(name), copy(module)) };
    let Some(name) = name else {
        // SAFETY: made by `copy` just now.
        unsafe { module.into_iter().for_each(|m| free(m)) };
        return ptr::null_mut();
    };
    let public = Provider {
        name,
        module: module.unwrap_or_else(|| CString::default().into_raw()),
        probedefs: ptr::null_mut(),
        error: ptr::null_mut(),
        enabled: 0,
        file: ptr::null_mut(),
    };
    Box::into_raw(Box::new(Owned { public, images: Lock::default() })).cast()
}

/// `usdt_create_probe`: null without a name. More than [`ARG_MAX`] arguments are cut off.
///
/// # Safety
/// `func` and `name` are null or C strings; `types` holds `argc` of the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_create_probe(
    func: *const c_char,
    name: *const c_char,
    argc: usize,
    types: *const *const c_char,
) -> *mut ProbeDefinition {
    // SAFETY: the caller's promises.
    unsafe {
        let Some(name) = copy(name) else { return ptr::null_mut() };
        let argc = if types.is_null() { 0 } else { argc.min(ARG_MAX) };
        let mut copies = [ptr::null_mut(); ARG_MAX];
        for (i, place) in copies.iter_mut().enumerate().take(argc) {
            *place = copy(*types.add(i)).unwrap_or_else(|| CString::default().into_raw());
        }
        Box::into_raw(Box::new(ProbeDefinition {
            name,
            function: copy(func).unwrap_or_else(|| CString::default().into_raw()),
            argc,
            types: copies,
            probe: ptr::null_mut(),
            next: ptr::null_mut(),
            refcnt: 2,
        }))
    }
}

/// `usdt_probe_release`.
///
/// # Safety
/// `definition` is null or came from [`usdt_create_probe`], and the caller holds it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_probe_release(definition: *mut ProbeDefinition) {
    if definition.is_null() {
        return;
    }
    // SAFETY: the caller's promise; whoever lets go last frees.
    unsafe {
        (*definition).refcnt -= 1;
        if (*definition).refcnt > 0 {
            return;
        }
        let definition = Box::from_raw(definition);
        free(definition.name);
        free(definition.function);
        definition.types.iter().for_each(|t| free(*t));
        if !definition.probe.is_null() {
            drop(Box::from_raw(definition.probe));
        }
    }
}

/// `usdt_provider_add_probe`: 0, or −1 for a second probe of the same function and name.
///
/// # Safety
/// Both are null or came from this library and still exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_provider_add_probe(
    provider: *mut Provider,
    definition: *mut ProbeDefinition,
) -> c_int {
    if provider.is_null() || definition.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise; the lock keeps our own calls apart.
    unsafe {
        let _images = lock(provider);
        if definitions(provider).into_iter().any(|d| same(d, definition)) {
            fail(provider, ErrorKind::DuplicateProbe, &full_name(provider, definition));
            return -1;
        }
        (*definition).next = ptr::null_mut();
        let mut last = &raw mut (*provider).probedefs;
        while !(*last).is_null() {
            last = &raw mut (**last).next;
        }
        *last = definition;
    }
    0
}

/// `usdt_provider_remove_probe`: 0, or −1 if there is no such probe. The removed probe fires no more.
///
/// The provider's hold on it goes over to the caller, as in the original.
///
/// # Safety
/// As [`usdt_provider_add_probe`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_provider_remove_probe(
    provider: *mut Provider,
    definition: *mut ProbeDefinition,
) -> c_int {
    if provider.is_null() || definition.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise; the lock keeps our own calls apart.
    unsafe {
        let _images = lock(provider);
        let mut link = &raw mut (*provider).probedefs;
        while !(*link).is_null() {
            if same(*link, definition) {
                let found = *link;
                *link = (*found).next;
                (*found).next = ptr::null_mut();
                // Its site goes with the next disable, which no longer knows of it.
                if let Some(probe) = (*found).probe.as_ref() {
                    probe.probe_addr.store(ptr::null_mut(), Ordering::Release);
                }
                return 0;
            }
            link = &raw mut (**link).next;
        }
        fail(provider, ErrorKind::RemoveProbe, &full_name(provider, definition));
    }
    -1
}

/// `usdt_provider_enable`: 0, or −1 with an error. Probes that were added since the last call become visible too.
///
/// # Safety
/// `provider` is null or came from this library and still exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_provider_enable(provider: *mut Provider) -> c_int {
    if provider.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise; the lock keeps our own calls apart.
    unsafe {
        let mut images = lock(provider);
        let all = definitions(provider);
        if all.is_empty() {
            fail(provider, ErrorKind::NoProbes, "");
            return -1;
        }
        let fresh: Vec<_> = all
            .into_iter()
            .filter(|d| {
                let probe = (**d).probe;
                probe.is_null() || (*probe).probe_addr.load(Ordering::Relaxed).is_null()
            })
            .collect();
        if fresh.is_empty() {
            fail(provider, ErrorKind::AlreadyEnabled, "");
            return 0;
        }
        let text = |s: *const c_char| CStr::from_ptr(s).to_string_lossy().into_owned();
        let name = text((*provider).name);
        let names: Vec<String> = fresh.iter().map(|d| text((**d).name)).collect();
        let places: Vec<Vec<Place>> = fresh
            .iter()
            .map(|d| (**d).types.iter().take((**d).argc).map(|t| place(&text(*t))).collect())
            .collect();
        let parts: Vec<(&str, &[Place])> =
            names.iter().map(String::as_str).zip(places.iter().map(Vec::as_slice)).collect();
        match RawImage::load(&name, &format!("libusdt:{name}"), &Backing::Memfd, &parts) {
            Ok(image) => {
                for (i, definition) in fresh.into_iter().enumerate() {
                    let definition = &mut *definition;
                    if definition.probe.is_null() {
                        let probe =
                            Probe { isenabled_addr: ptr::null_mut(), probe_addr: AtomicPtr::default() };
                        definition.probe = Box::into_raw(Box::new(probe));
                    }
                    (*definition.probe).probe_addr.store(image.site(i), Ordering::Release);
                }
                images.push(image);
                (*provider).enabled = 1;
                0
            }
            Err(error) => {
                fail(provider, ErrorKind::LoadDof, &error.to_string());
                -1
            }
        }
    }
}

/// `usdt_provider_disable`: 0, or −1 if the dynamic linker refused.
///
/// # Safety
/// As [`usdt_provider_enable`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_provider_disable(provider: *mut Provider) -> c_int {
    if provider.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise; the lock keeps our own calls apart.
    unsafe {
        let mut images = lock(provider);
        for definition in definitions(provider) {
            if let Some(probe) = (*definition).probe.as_ref() {
                probe.probe_addr.store(ptr::null_mut(), Ordering::Release);
            }
        }
        (*provider).enabled = 0;
        let closed: Vec<bool> = images.drain(..).map(RawImage::unload).collect();
        if closed.contains(&false) {
            fail(provider, ErrorKind::UnloadDof, "the dynamic linker refused");
            return -1;
        }
    }
    0
}

/// `usdt_provider_free`.
///
/// # Safety
/// As [`usdt_provider_enable`]; the provider is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_provider_free(provider: *mut Provider) {
    if provider.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        usdt_provider_disable(provider);
        for definition in definitions(provider) {
            usdt_probe_release(definition);
        }
        let owned = Box::from_raw(provider.cast::<Owned>());
        free(owned.public.name);
        free(owned.public.module);
        free(owned.public.error);
    }
}

/// `usdt_is_enabled`: 1 if a tracer is attached.
///
/// # Safety
/// `probe` is null or a definition's, and the definition still exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_is_enabled(probe: *mut Probe) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { armed_site(probe) }.map_or(0, |_| 1)
}

/// `usdt_fire_probe`.
///
/// # Safety
/// As [`usdt_is_enabled`]; `argv` holds `argc` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_fire_probe(probe: *mut Probe, argc: usize, argv: *const *mut c_void) {
    // SAFETY: the caller's promises.
    unsafe {
        let Some((site, _inside)) = armed_site(probe) else { return };
        let count = if argv.is_null() { 0 } else { argc.min(ARG_MAX) };
        let mut words = [0; MAX_WORDS];
        for (i, word) in words.iter_mut().enumerate().take(count) {
            *word = *argv.add(i) as usize as u64;
        }
        // A probe may have more places than values are given: its note must not lead to foreign stack.
        raw::call(site, &words, MAX_WORDS);
    }
}

/// `usdt_error`: sets the error text. The original takes a format's arguments; they are all strings.
///
/// # Safety
/// As [`usdt_provider_enable`]; as many C strings follow as the error's text has places.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_error(
    provider: *mut Provider,
    error: c_int,
    a: *const c_char,
    b: *const c_char,
    c: *const c_char,
    d: *const c_char,
) {
    if provider.is_null() {
        return;
    }
    // An enum's value from C may be any number.
    let Some(error) = usize::try_from(error).ok().and_then(|e| ErrorKind::ALL.get(e).copied()) else {
        return;
    };
    let places: &[*const c_char] = match error {
        ErrorKind::LoadDof | ErrorKind::UnloadDof => &[a],
        ErrorKind::DuplicateProbe | ErrorKind::RemoveProbe => &[a, b, c, d],
        _ => &[],
    };
    // SAFETY: the caller's promises.
    unsafe {
        let _images = lock(provider);
        let text: Vec<_> = places
            .iter()
            .filter(|p| !p.is_null())
            .map(|p| CStr::from_ptr(*p).to_string_lossy().into_owned())
            .collect();
        fail(provider, error, &text.join(":"));
    }
}

/// `usdt_errstr`.
///
/// # Safety
/// As [`usdt_provider_enable`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usdt_errstr(provider: *mut Provider) -> *mut c_char {
    if provider.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise.
    unsafe { (*provider).error }
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
        let site = (*probe).probe_addr.load(Ordering::Acquire);
        (!site.is_null() && raw::is_armed(site)).then_some((site.cast_const(), inside))
    }
}

/// How many bytes an argument of a C type has. What is not known is passed whole.
fn place(ty: &str) -> Place {
    let words: Vec<&str> = ty.split_whitespace().filter(|w| *w != "const").collect();
    let (size, signed) = match words.join(" ").as_str() {
        "char" | "signed char" | "int8_t" => (1, true),
        "unsigned char" | "uint8_t" | "bool" | "_Bool" => (1, false),
        "short" | "short int" | "int16_t" => (2, true),
        "unsigned short" | "uint16_t" => (2, false),
        "int" | "signed" | "signed int" | "int32_t" => (4, true),
        "unsigned" | "unsigned int" | "uint32_t" => (4, false),
        "long" | "long int" | "long long" | "int64_t" | "ssize_t" | "intptr_t" | "off_t" => (8, true),
        _ => (8, false),
    };
    Place { size, signed }
}

/// Whether two definitions have the same function and name.
///
/// # Safety
/// Both are definitions of this library.
unsafe fn same(a: *mut ProbeDefinition, b: *mut ProbeDefinition) -> bool {
    // SAFETY: the caller's promise; both strings are never null.
    unsafe {
        CStr::from_ptr((*a).name) == CStr::from_ptr((*b).name)
            && CStr::from_ptr((*a).function) == CStr::from_ptr((*b).function)
    }
}

/// `provider:module:function:name`.
///
/// # Safety
/// Both came from this library.
unsafe fn full_name(provider: *mut Provider, definition: *mut ProbeDefinition) -> String {
    // SAFETY: the caller's promise; none of the strings is null.
    unsafe {
        [(*provider).name, (*provider).module, (*definition).function, (*definition).name]
            .map(|s| CStr::from_ptr(s).to_string_lossy().into_owned())
            .join(":")
    }
}

/// The provider's definitions.
///
/// # Safety
/// The provider is one of ours, and no other call changes it.
unsafe fn definitions(provider: *mut Provider) -> Vec<*mut ProbeDefinition> {
    let mut found = Vec::new();
    // SAFETY: the list was made by `usdt_provider_add_probe` and ends in null.
    unsafe {
        let mut next = (*provider).probedefs;
        while !next.is_null() {
            found.push(next);
            next = (*next).next;
        }
    }
    found
}

/// # Safety
/// The provider came from [`usdt_create_provider`].
unsafe fn lock<'a>(provider: *mut Provider) -> Guard<'a, Vec<RawImage>> {
    // SAFETY: every provider is the first part of an `Owned`.
    unsafe { &(*provider.cast::<Owned>()).images }.lock()
}

/// Sets the error text.
///
/// # Safety
/// The provider is one of ours and locked.
unsafe fn fail(provider: *mut Provider, kind: ErrorKind, about: &str) {
    let text = match kind {
        ErrorKind::Malloc | ErrorKind::Valloc => "out of memory".to_owned(),
        ErrorKind::NoProbes => "the provider has no probes".to_owned(),
        ErrorKind::LoadDof => format!("cannot enable the provider: {about}"),
        ErrorKind::AlreadyEnabled => "the provider is enabled already".to_owned(),
        ErrorKind::UnloadDof => format!("cannot disable the provider: {about}"),
        ErrorKind::DuplicateProbe => format!("there is a probe {about} already"),
        ErrorKind::RemoveProbe => format!("there is no probe {about}"),
    };
    let text = CString::new(text.replace('\0', "")).unwrap_or_default();
    // SAFETY: the field is null or came from `into_raw`.
    unsafe {
        free((*provider).error);
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

//! Providers and their probes: adding, loading, firing, unloading.
//!
//! # Who sees what
//! A probe's state is two pointers.
//! `semaphore` is read without protection by every firing: it points to the semaphore in the image, or, while there is
//! none, to a zero that never changes; [`sys::Mapping`](crate::sys) sees to it that a pointer read a moment too early
//! still leads to readable memory.
//! `site` is read only inside an [`epoch`], and is null while there is no image.
//! Unloading resets both, waits for the epoch, and then takes the images away.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU16, Ordering};

use crate::args::{self, Place, Words};
use crate::backing::Written;
use crate::fork::{Guard, Lock};
use crate::image::{Image, Machine, ProbeImage, STRIDE};
use crate::site::Site;
use crate::{Arg, Arguments, Backing, Error, epoch, sys};

/// What a probe without an image has for a semaphore.
static UNTRACED: AtomicU16 = AtomicU16::new(0);

/// The longest name of a provider or probe, in bytes.
pub const MAX_NAME: usize = 128;

/// A provider: a name, and probes that are made while the program runs.
///
/// Dropping it unloads it; its probes stay usable and do nothing.
#[derive(Debug)]
pub struct Provider {
    name: String,
    backing: Backing,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    probes: Vec<Arc<Inner>>,
    names: HashSet<String>,
    images: Vec<Loaded>,
    /// How many of the probes are in an image: always the first ones.
    loaded: usize,
}

/// An image in use. The mapping is kept for its drop, which comes before the file's.
#[derive(Debug)]
struct Loaded {
    _mapping: sys::Mapping,
    written: Written,
}

/// How a provider is to be made.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    backing: Backing,
}

/// A probe whose arguments are checked when it fires.
#[derive(Clone, Debug)]
pub struct Probe(Arc<Inner>);

/// A probe whose arguments are checked by the compiler.
pub struct TypedProbe<A> {
    inner: Arc<Inner>,
    arguments: PhantomData<fn(A)>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    args: Vec<Arg>,
    places: Vec<Place>,
    semaphore: AtomicPtr<u16>,
    site: AtomicPtr<u8>,
}

impl Provider {
    /// Begins a provider of this name, in a memfd unless told otherwise.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder { name: name.into(), backing: Backing::Memfd }
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a probe; it can fire once [`Provider::load`] was called after this.
    pub fn add(&self, name: &str, args: &[Arg]) -> Result<Probe, Error> {
        Ok(Probe(self.insert(name, args)?))
    }

    /// Adds a probe whose arguments are those of the tuple `A`: `provider.probe::<(&str, i32)>("cache_hit")`.
    pub fn probe<A: Arguments>(&self, name: &str) -> Result<TypedProbe<A>, Error> {
        Ok(TypedProbe { inner: self.insert(name, A::ARGS)?, arguments: PhantomData })
    }

    fn insert(&self, name: &str, args: &[Arg]) -> Result<Arc<Inner>, Error> {
        check_name(name)?;
        let places = args::places(args)?;
        let mut state = self.state();
        if !state.names.insert(name.to_owned()) {
            return Err(Error::Duplicate { name: name.to_owned() });
        }
        let inner = Arc::new(Inner {
            name: name.to_owned(),
            args: args.to_vec(),
            places,
            semaphore: AtomicPtr::new(untraced()),
            site: AtomicPtr::new(ptr::null_mut()),
        });
        state.probes.push(inner.clone());
        Ok(inner)
    }

    /// Makes every probe that was added since the last call visible to tracers, in an image of its own.
    ///
    /// Images that are loaded stay untouched, and tracers of their probes attached.
    /// Each image costs a file descriptor and two mappings: with many probes, add some before each call.
    /// On architectures other than x86-64 and aarch64 nothing happens, and probes never fire.
    pub fn load(&self) -> Result<(), Error> {
        let Some(machine) = Machine::host() else { return Ok(()) };
        let mut state = self.state();
        let state = &mut *state;
        let fresh = &state.probes[state.loaded..];
        if fresh.is_empty() {
            return Ok(());
        }
        let parts: Vec<_> = fresh.iter().map(|p| ProbeImage { name: &p.name, places: &p.places }).collect();
        let image = Image::new(machine, sys::page_size(), &self.name, &parts, true);
        let label = format!("stapes:{}", self.name);
        let (written, mapping) =
            self.backing.write(&label, &image.bytes, |written| {
                sys::Mapping::new(&written.file, image.data, image.data_size)
                    .map_err(|source| Error::System { call: "mmap", object: label.clone(), source })
            })?;
        let start = mapping.start();
        for (i, probe) in fresh.iter().enumerate() {
            let semaphore = start.wrapping_add(image.data).cast::<u16>().wrapping_add(i);
            probe.site.store(start.wrapping_add(image.text + i * STRIDE), Ordering::Release);
            probe.semaphore.store(semaphore, Ordering::Release);
        }
        state.loaded = state.probes.len();
        state.images.push(Loaded { _mapping: mapping, written });
        Ok(())
    }

    /// Takes all probes away from tracers again. Threads may be firing meanwhile. [`Provider::load`] brings them back.
    pub fn unload(&self) {
        let mut state = self.state();
        for probe in &state.probes[..state.loaded] {
            probe.semaphore.store(untraced(), Ordering::Relaxed);
            probe.site.store(ptr::null_mut(), Ordering::Release);
        }
        state.loaded = 0;
        if state.images.is_empty() {
            return;
        }
        if epoch::wait() {
            state.images.clear();
        } else {
            // A thread may still be inside: what it is inside of has to stay.
            state.images.drain(..).for_each(std::mem::forget);
        }
    }

    /// The files in use: for each image its name, or `None` for a memfd.
    pub fn paths(&self) -> Vec<Option<PathBuf>> {
        self.state().images.iter().map(|image| image.written.path.clone()).collect()
    }

    fn state(&self) -> Guard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.unload();
    }
}

impl Builder {
    /// Puts the images into files in this folder, deleted on unload, for tracers that only open files by name.
    pub fn file(mut self, folder: impl Into<PathBuf>) -> Builder {
        self.backing = Backing::File(folder.into());
        self
    }

    /// Makes the provider.
    pub fn build(self) -> Result<Provider, Error> {
        check_name(&self.name)?;
        Ok(Provider { name: self.name, backing: self.backing, state: Lock::default() })
    }
}

impl Inner {
    #[inline(always)]
    fn enabled(&self) -> bool {
        // SAFETY: the pointer leads to `UNTRACED` or into a mapping, whose addresses stay readable for ever (see
        // sys/map.rs) and are aligned to two bytes. The kernel changes the value: hence the volatile, untorn read of
        // an aligned half word, which is what an atomic load is.
        unsafe { AtomicU16::from_ptr(self.semaphore.load(Ordering::Relaxed)).load(Ordering::Relaxed) != 0 }
    }

    #[cold]
    fn fire(&self, put: impl FnOnce(&mut Words)) {
        let mut words = Words::new();
        put(&mut words);
        let Some(_inside) = epoch::enter() else { return };
        let site = self.site.load(Ordering::Acquire);
        if !site.is_null() {
            // SAFETY: it is the function of an image, and images stay mapped while a thread is inside the epoch.
            unsafe { Site(site).call(words.all(), words.len()) };
        }
    }
}

impl Probe {
    /// The probe's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether a tracer is attached to it.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        self.0.enabled()
    }

    /// Fires with these values, if it is traced.
    ///
    /// Whether they are what the probe was declared with is looked at only then: an untraced probe costs one test.
    #[inline(always)]
    pub fn fire<A: Arguments>(&self, values: A) -> Fired {
        self.fire_with(|| values)
    }

    /// Fires with the values that `values` gives, which is called only if the probe is traced.
    #[inline(always)]
    pub fn fire_with<A: Arguments>(&self, values: impl FnOnce() -> A) -> Fired {
        if !self.0.enabled() {
            return Fired(None);
        }
        if let Err(error) = args::check(&self.0.args, A::ARGS) {
            return Fired(Some(Box::new(error)));
        }
        self.0.fire(|words| values().put(words));
        Fired(None)
    }
}

impl<A: Arguments> TypedProbe<A> {
    /// The probe's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether a tracer is attached to it.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        self.inner.enabled()
    }

    /// Fires with these values, if it is traced.
    #[inline(always)]
    pub fn fire(&self, values: A::Of<'_>) {
        if self.inner.enabled() {
            self.inner.fire(|words| values.put(words));
        }
    }

    /// Fires with the values that `values` gives, which is called only if the probe is traced.
    #[inline(always)]
    pub fn fire_with<'a>(&self, values: impl FnOnce() -> A::Of<'a>) {
        if self.inner.enabled() {
            self.inner.fire(|words| values().put(words));
        }
    }
}

impl<A> Clone for TypedProbe<A> {
    fn clone(&self) -> Self {
        TypedProbe { inner: self.inner.clone(), arguments: PhantomData }
    }
}

impl<A> fmt::Debug for TypedProbe<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedProbe").field(&self.inner).finish()
    }
}

/// What became of an event whose types are looked at only when it fires. May be ignored.
#[derive(Debug)]
pub struct Fired(Option<Box<Error>>);

impl Fired {
    /// The mistake that was found, if the probe was traced and the values were not what it was declared with.
    pub fn result(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), |error| Err(*error))
    }
}

fn untraced() -> *mut u16 {
    UNTRACED.as_ptr()
}

/// A name must be able to stand in a note and in a tracer's command: `usdt:FILE:PROVIDER:NAME`.
fn check_name(name: &str) -> Result<(), Error> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME {
        "it is too long"
    } else if name.contains(|c: char| c.is_control() || c.is_whitespace()) {
        "it has a space or a control character"
    } else if name.contains([':', '/', ',', '{', '}', '"', '*', '?', '[', ']']) {
        "it has a character that means something else in a tracer's command"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(40).flat_map(char::escape_default).collect();
    Err(Error::BadName { name: shown, reason })
}

//! The dynamic linker, for images that debuggers are to see: dlopen(3), dlinfo(3).

use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::NonNull;

use crate::Error;

/// An image that the dynamic linker has loaded.
#[derive(Debug)]
pub(crate) struct Library {
    handle: NonNull<c_void>,
    start: *mut u8,
    /// The name under which it was opened.
    name: CString,
}

// SAFETY: dlclose may be called from any thread.
unsafe impl Send for Library {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Library {}

impl Library {
    /// What dlopen gave.
    pub(crate) fn handle(&self) -> *mut c_void {
        self.handle.as_ptr()
    }

    /// The address of the image's first byte.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }

    /// Unloads it; whether the dynamic linker did so. It is not asked to where somebody else has closed the handle.
    pub(crate) fn close(self) -> bool {
        // SAFETY: the handle came from dlopen and, since the image is still there, was not closed; whoever closes has
        // made sure (see `epoch`) that no thread is in the image.
        self.is_loaded() && unsafe { libc::dlclose(self.handle.as_ptr()) == 0 }
    }

    /// Whether the image is still where it was: glibc's dlclose looks into freed memory when a handle is closed twice.
    fn is_loaded(&self) -> bool {
        let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: dladdr only compares the address, and fills the structure in where it answers with other than 0;
        // until then it is zeros, which are valid for it. Names are C strings of libraries that are loaded.
        unsafe {
            libc::dladdr(self.start.cast(), found.as_mut_ptr()) != 0 && {
                let found = found.assume_init();
                found.dli_fbase == self.start.cast()
                    && !found.dli_fname.is_null()
                    && CStr::from_ptr(found.dli_fname) == self.name.as_c_str()
            }
        }
    }
}

/// The first fields of `struct link_map` (link.h), which dlinfo gives.
#[repr(C)]
struct LinkMap {
    load_bias: usize,
}

/// `RTLD_DI_LINKMAP` of dlfcn.h, the same in glibc and musl.
const LINK_MAP: c_int = 2;

unsafe extern "C" {
    /// dlinfo(3), which `libc` knows for glibc only.
    fn dlinfo(handle: *mut c_void, request: c_int, info: *mut c_void) -> c_int;
}

/// Loads an image. Fails in static executables, which have no dynamic linker.
pub(crate) fn open_library(path: &Path) -> Result<Library, Error> {
    use std::os::unix::ffi::OsStrExt;
    let name = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::Linker { message: "the path has a NUL".to_owned() })?;
    // SAFETY: the name is a C string; the image has no constructors that could run.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    let Some(handle) = NonNull::new(handle) else { return Err(last_error()) };
    let mut map: *mut LinkMap = std::ptr::null_mut();
    // SAFETY: this request stores one pointer to where the third argument points.
    let got = unsafe { dlinfo(handle.as_ptr(), LINK_MAP, (&raw mut map).cast()) };
    if got != 0 || map.is_null() {
        let error = last_error();
        // SAFETY: the handle came from dlopen just now.
        unsafe { libc::dlclose(handle.as_ptr()) };
        return Err(error);
    }
    // SAFETY: the linker keeps the structure as long as the library is loaded; its first field is `l_addr`,
    // which is where the image starts, because the image's first address is 0.
    let start = unsafe { (*map).load_bias } as *mut u8;
    Ok(Library { handle, start, name })
}

fn last_error() -> Error {
    // SAFETY: dlerror returns a C string that is valid until the next call in this thread, or null.
    let text = unsafe { libc::dlerror() };
    let message = if text.is_null() {
        "no reason given".to_owned()
    } else {
        // SAFETY: not null, so a C string, and copied at once.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    };
    Error::Linker { message }
}

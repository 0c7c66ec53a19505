//! What `#[stapes::provider]` expands to: for each probe a function, a macro and a module of its name.
//!
//! ```text
//! probes::request_start!(id, path())     the macro: evaluates its arguments while somebody listens
//! probes::request_start(id, path)        the function, where laziness does not matter
//! probes::request_start::enabled()       the module
//! ```
//!
//! # How a macro finds its probe
//!
//! A macro expands where it is called, and does not know by which path it was called: it cannot name the function beside it.
//! It can name a number, though, and an implementation is found wherever it stands.
//! So each probe has a number, [`Key`], and a type, its marker, which stands beside its function;
//! `impl Named<Marker> for Key<NUMBER>` leads from one to the other, and `Key<NUMBER> as Named<_>` is enough to find it,
//! as there is no other.
//! What the macro calls is then an ordinary method, so that the compiler checks the arguments and complains in its own words.

/// The number of a probe.
pub struct Key<const NUMBER: u64>;

/// Leads from a probe's number to its marker.
pub trait Named<Marker> {
    /// The marker.
    const PROBE: Marker;
}

/// Declares one probe of a provider.
///
/// Input: a dollar sign, provider, name, 1 or 0 for with or without a semaphore, the number, names for the marker and the
/// exported macro, attributes, visibility, the name as an identifier, and the parameters, each as
/// `(PARAMETER TYPE [NAME] [TYPE TEXT] EXPRESSION)`.
#[doc(hidden)]
#[macro_export]
macro_rules! __provider_probe {
    ($d:tt $provider:literal $probe:literal 1 $number:literal $Marker:ident $exported:ident
        [$($attribute:tt)*] [$visibility:vis] $name:ident
        [$(($parameter:ident $Type:ty, $name_text:tt $type_text:tt $value:expr))*]
    ) => {
        $($attribute)*
        #[inline(always)]
        #[allow(dead_code, non_snake_case, clippy::too_many_arguments, reason = "the macro may be all that is used")]
        $visibility fn $name($($parameter: $Type),*) {
            if $name::enabled() {
                $crate::private::cold();
                $Marker.$name($($parameter),*);
            }
        }

        #[doc = concat!("Whether somebody listens to `", $provider, ":", $probe, "`.")]
        #[allow(dead_code, non_snake_case, reason = "not every probe is asked about, and a name may be DTrace's")]
        $visibility mod $name {
            #[doc = concat!("Whether somebody listens to `", $provider, ":", $probe, "`.")]
            #[inline(always)]
            pub fn enabled() -> bool {
                $crate::enabled!($provider, $probe)
            }
        }

        $crate::__provider_marker! {
            $provider $probe 1 $number $Marker [$visibility] $name [$(($parameter $Type, $name_text $type_text $value))*]
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $exported {
            ($d($d argument:expr),* $d(,)?) => {
                if $crate::enabled!($provider, $probe) {
                    $crate::private::cold();
                    <$crate::private::Key<$number> as $crate::private::Named<_>>::PROBE.$name($d($d argument),*)
                }
            };
        }

        #[allow(unused_imports, reason = "not every probe is fired by its macro")]
        $visibility use $exported as $name;
    };
    ($d:tt $provider:literal $probe:literal 0 $number:literal $Marker:ident $exported:ident
        [$($attribute:tt)*] [$visibility:vis] $name:ident
        [$(($parameter:ident $Type:ty, $name_text:tt $type_text:tt $value:expr))*]
    ) => {
        $($attribute)*
        #[inline(always)]
        #[allow(dead_code, non_snake_case, clippy::too_many_arguments, reason = "the macro may be all that is used")]
        $visibility fn $name($($parameter: $Type),*) {
            $Marker.$name($($parameter),*);
        }

        $crate::__provider_marker! {
            $provider $probe 0 $number $Marker [$visibility] $name [$(($parameter $Type, $name_text $type_text $value))*]
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $exported {
            ($d($d argument:expr),* $d(,)?) => {
                <$crate::private::Key<$number> as $crate::private::Named<_>>::PROBE.$name($d($d argument),*)
            };
        }

        #[allow(unused_imports, reason = "not every probe is fired by its macro")]
        $visibility use $exported as $name;
    };
}

/// Declares the marker of a probe, whose method is the probe's site wherever it is inlined.
#[doc(hidden)]
#[macro_export]
macro_rules! __provider_marker {
    ($provider:literal $probe:literal $counted:tt $number:literal $Marker:ident [$visibility:vis] $name:ident
        [$(($parameter:ident $Type:ty, $name_text:tt $type_text:tt $value:expr))*]
    ) => {
        #[doc(hidden)]
        #[derive(Clone, Copy)]
        $visibility struct $Marker;

        impl $Marker {
            #[inline(always)]
            #[allow(dead_code, missing_docs, non_snake_case, clippy::too_many_arguments, reason = "users see the function and the macro")]
            pub fn $name(self, $($parameter: $Type),*) {
                $crate::__probe! { $provider $probe $counted [$(($name_text $type_text $value))*] }
            }
        }

        impl $crate::private::Named<$Marker> for $crate::private::Key<$number> {
            const PROBE: $Marker = $Marker;
        }
    };
}

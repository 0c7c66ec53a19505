//! Probes where they fire, with no set-up: `probe!`, `probe_lazy!`, `enabled!`.

/// Fires a probe: `probe!(provider, name, argument, …)`.
///
/// The site costs one nop and whatever it takes to have the arguments at hand: they are evaluated always.
/// See [`Argument`](crate::Argument) for what can be passed; there is room for 12 values.
///
/// Provider and name are identifiers, or strings for what is no identifier (`"cache-hit"`).
/// A tracer can use an argument's name where it has one: a variable or field is called as it is called in the source,
/// and `name = expression` gives a name.
///
/// ```
/// let (key, shard) = ("user:7", 3_u16);
/// stapes::probe!(myapp, cache_hit, key, shard);
/// stapes::probe!(myapp, cache_size, bytes = 40 + 2_u64);
/// ```
#[macro_export]
macro_rules! probe {
    ($provider:tt, $name:tt $(, $($argument:tt)*)?) => {
        $crate::__arguments! { $provider $name [] [$($($argument)*)? ,] [$($($argument)*)? ,] }
    };
}

/// Fires a probe, evaluating the arguments only while somebody listens: `probe_lazy!(provider, name, argument, …)`.
///
/// Otherwise it costs one comparison with memory and a branch that is not taken.
///
/// ```
/// # let items = [1_u32, 2, 3];
/// stapes::probe_lazy!(myapp, batch, total = items.iter().sum::<u32>(), items.len());
/// ```
#[macro_export]
macro_rules! probe_lazy {
    ($provider:tt, $name:tt $(, $($argument:tt)*)?) => {
        if $crate::enabled!($provider, $name) {
            $crate::private::cold();
            $crate::probe!($provider, $name $(, $($argument)*)?);
        }
    };
}

/// Whether somebody listens to a probe: `enabled!(provider, name)`.
///
/// It looks at the semaphore that all sites of the probe in this program or library share, each time anew.
/// Where there are no probes, it is `false`.
///
/// ```
/// if stapes::enabled!(myapp, big) {
///     // prepare what it takes
///     stapes::probe!(myapp, big, 1 << 20);
/// }
/// ```
#[macro_export]
macro_rules! enabled {
    ($provider:tt, $name:tt $(,)?) => {{
        $crate::__check_names!($provider $name);
        $crate::__is_enabled!($provider $name)
    }};
}

/// Gives each argument a name, where it has one: makes `([NAME] [TYPE] EXPRESSION)` of each, and calls `__probe!`.
///
/// The arguments are there twice, to be looked at twice: as tokens, for the name, and as expressions, for errors that point
/// at them.
#[doc(hidden)]
#[macro_export]
macro_rules! __arguments {
    ($provider:tt $probe:tt $done:tt [$(,)?] [$(,)?]) => {
        $crate::__probe! { $provider $probe 1 $done }
    };
    // The common case at once.
    ($provider:tt $probe:tt [] [$($name:ident),+ $(,)*] [$($value:expr),+ $(,)*]) => {
        $crate::__probe! { $provider $probe 1 [$(([stringify!($name)] [""] $value))*] }
    };
    ($provider:tt $probe:tt [$($done:tt)*] [$name:ident = $($_rest:tt)*] [$_name:ident = $value:expr, $($rest:tt)*]) => {
        $crate::__arguments! { $provider $probe [$($done)* ([stringify!($name)] [""] $value)] [$($rest)*] [$($rest)*] }
    };
    ($provider:tt $probe:tt [$($done:tt)*] [$name:ident, $($_rest:tt)*] [$value:expr, $($rest:tt)*]) => {
        $crate::__arguments! { $provider $probe [$($done)* ([stringify!($name)] [""] $value)] [$($rest)*] [$($rest)*] }
    };
    ($provider:tt $probe:tt [$($done:tt)*] [&$name:ident, $($_rest:tt)*] [$value:expr, $($rest:tt)*]) => {
        $crate::__arguments! { $provider $probe [$($done)* ([stringify!($name)] [""] $value)] [$($rest)*] [$($rest)*] }
    };
    ($provider:tt $probe:tt [$($done:tt)*] [$name:ident.await, $($_rest:tt)*] [$value:expr, $($rest:tt)*]) => {
        $crate::__arguments! { $provider $probe [$($done)* ([stringify!($name)] [""] $value)] [$($rest)*] [$($rest)*] }
    };
    ($provider:tt $probe:tt [$($done:tt)*] [$owner:ident.$name:ident, $($_rest:tt)*] [$value:expr, $($rest:tt)*]) => {
        $crate::__arguments! { $provider $probe [$($done)* ([stringify!($name)] [""] $value)] [$($rest)*] [$($rest)*] }
    };
    ($provider:tt $probe:tt [$($done:tt)*] [&$owner:ident.$name:ident, $($_rest:tt)*] [$value:expr, $($rest:tt)*]) => {
        $crate::__arguments! { $provider $probe [$($done)* ([stringify!($name)] [""] $value)] [$($rest)*] [$($rest)*] }
    };
    ($provider:tt $probe:tt [$($done:tt)*] $_tokens:tt [$value:expr, $($rest:tt)*]) => {
        $crate::__arguments! { $provider $probe [$($done)* ([""] [""] $value)] [$($rest)*] [$($rest)*] }
    };
}

/// Evaluates the arguments and fires: one arm for each number of arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __probe {
    ($provider:tt $probe:tt $counted:literal []) => {{
        $crate::__check_names!($provider $probe);
        $crate::__fire! { $provider $probe $counted Arguments0 [] }
        __stapes_fire($crate::private::Arguments0::of())
    }};
    ($provider:tt $probe:tt $counted:literal [($n0:tt $t0:tt $e0:expr)]) => {{
        $crate::__check_names!($provider $probe);
        $crate::__fire! { $provider $probe $counted Arguments1 [(a1 a2 $n0 $t0)] }
        __stapes_fire($crate::private::Arguments1::of($e0))
    }};
    ($provider:tt $probe:tt $counted:literal [($n0:tt $t0:tt $e0:expr) ($n1:tt $t1:tt $e1:expr)]) => {{
        $crate::__check_names!($provider $probe);
        $crate::__fire! { $provider $probe $counted Arguments2 [(a1 a2 $n0 $t0) (b1 b2 $n1 $t1)] }
        __stapes_fire($crate::private::Arguments2::of($e0, $e1))
    }};
    ($provider:tt $probe:tt $counted:literal [($n0:tt $t0:tt $e0:expr) ($n1:tt $t1:tt $e1:expr) ($n2:tt $t2:tt $e2:expr)]) => {{
        $crate::__check_names!($provider $probe);
        $crate::__fire! { $provider $probe $counted Arguments3 [(a1 a2 $n0 $t0) (b1 b2 $n1 $t1) (c1 c2 $n2 $t2)] }
        __stapes_fire($crate::private::Arguments3::of($e0, $e1, $e2))
    }};
    ($provider:tt $probe:tt $counted:literal [($n0:tt $t0:tt $e0:expr) ($n1:tt $t1:tt $e1:expr) ($n2:tt $t2:tt $e2:expr) ($n3:tt $t3:tt $e3:expr)]) => {{
        $crate::__check_names!($provider $probe);
        $crate::__fire! { $provider $probe $counted Arguments4 [(a1 a2 $n0 $t0) (b1 b2 $n1 $t1) (c1 c2 $n2 $t2) (d1 d2 $n3 $t3)] }
        __stapes_fire($crate::private::Arguments4::of($e0, $e1, $e2, $e3))
    }};
    ($provider:tt $probe:tt $counted:literal [($n0:tt $t0:tt $e0:expr) ($n1:tt $t1:tt $e1:expr) ($n2:tt $t2:tt $e2:expr) ($n3:tt $t3:tt $e3:expr) ($n4:tt $t4:tt $e4:expr)]) => {{
        $crate::__check_names!($provider $probe);
        $crate::__fire! { $provider $probe $counted Arguments5 [(a1 a2 $n0 $t0) (b1 b2 $n1 $t1) (c1 c2 $n2 $t2) (d1 d2 $n3 $t3) (e1 e2 $n4 $t4)] }
        __stapes_fire($crate::private::Arguments5::of($e0, $e1, $e2, $e3, $e4))
    }};
    ($provider:tt $probe:tt $counted:literal [($n0:tt $t0:tt $e0:expr) ($n1:tt $t1:tt $e1:expr) ($n2:tt $t2:tt $e2:expr) ($n3:tt $t3:tt $e3:expr) ($n4:tt $t4:tt $e4:expr) ($n5:tt $t5:tt $e5:expr)]) => {{
        $crate::__check_names!($provider $probe);
        $crate::__fire! { $provider $probe $counted Arguments6 [(a1 a2 $n0 $t0) (b1 b2 $n1 $t1) (c1 c2 $n2 $t2) (d1 d2 $n3 $t3) (e1 e2 $n4 $t4) (f1 f2 $n5 $t5)] }
        __stapes_fire($crate::private::Arguments6::of($e0, $e1, $e2, $e3, $e4, $e5))
    }};
    // More may be more than fit: see `room`.
    ($provider:tt $probe:tt $counted:literal [$($argument:tt)*]) => {{
        $crate::__check_names!($provider $probe);
        $crate::__take_room! {
            $provider $probe $counted ($crate::room::ROOM)
            [a b c d e f g h i j k l] [] [$($argument)*]
        }
    }};
}

/// Evaluates the arguments one by one, each into the room that the one before left, and fires.
#[doc(hidden)]
#[macro_export]
macro_rules! __take_room {
    ($provider:tt $probe:tt $counted:literal ($room:expr) [$($variables:ident)*]
        [$a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $(($more:ident $name:tt $type:tt))*] []
    ) => {
        $crate::__probe_from_array! { $provider $probe $counted [$a $b $c $d $e $f] [$(($more $name $type))*] }
    };
    ($provider:tt $probe:tt $counted:literal ($room:expr) [] $done:tt [($name:tt $type:tt $value:expr) $($rest:tt)*]) => {
        $crate::room::beyond($value)
    };
    ($provider:tt $probe:tt $counted:literal ($room:expr) [$variable:ident $($variables:ident)*] [$($done:tt)*]
        [($name:tt $type:tt $value:expr) $($rest:tt)*]
    ) => {
        match $crate::room::take($value, $room) {
            ($variable, room) => $crate::__take_room! {
                $provider $probe $counted (room) [$($variables)*] [$($done)* ($variable $name $type)] [$($rest)*]
            },
        }
    };
}

/// Fires with values that lie in an array.
#[doc(hidden)]
#[macro_export]
macro_rules! __probe_from_array {
    ($provider:tt $probe:tt $counted:literal
        [$(($value:ident $name:tt $type:tt))*] [$(($more:ident $more_name:tt $more_type:tt))*]
    ) => {{
        $crate::__fire_from_array! { $provider $probe $counted [$(($name $type))*] [$(($more_name $more_type))*] }
        __stapes_fire(
            [$($crate::private::slots(&$value),)* $($crate::private::slots(&$more)),*],
            $crate::private::types(&($($crate::Argument::value(&$value),)*)),
            $crate::private::types(&($($crate::Argument::value(&$more),)*)),
        )
    }};
}

/// Refuses strings that are no provider's or probe's name. An identifier always is one.
#[doc(hidden)]
#[macro_export]
macro_rules! __check_names {
    ($provider:literal $probe:literal) => {
        const _: () = $crate::private::check_name($provider);
        const _: () = $crate::private::check_name($probe);
    };
    ($provider:literal $probe:tt) => {
        const _: () = $crate::private::check_name($provider);
    };
    ($provider:tt $probe:literal) => {
        const _: () = $crate::private::check_name($probe);
    };
    ($provider:tt $probe:tt) => {};
}

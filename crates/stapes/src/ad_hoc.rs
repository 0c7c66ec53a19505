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
        $crate::__rows! { __arguments [__probe $provider $name] [] $($($argument)*)? , }
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
            $crate::__rows! { __arguments [__probe $provider $name] [] $($($argument)*)? , }
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
        $crate::private::a_probe_fires_at_run_time_and_cannot_stand_in_a_const_context();
        $crate::__is_enabled! { $provider $name }
        is_enabled()
    }};
}

/// Gives each argument a name, where it has one, and a row of the table, and calls `$then!`.
///
/// What it makes of an argument is `(ROW [NAME] [TYPE] EXPRESSION)`.
#[doc(hidden)]
#[macro_export]
macro_rules! __arguments {
    ([$($row:tt)*] [$then:ident $provider:tt $probe:tt] [$($done:tt)*] $(,)?) => {
        $crate::$then! { $provider $probe [$($done)*] }
    };
    ([$row:tt $($rows:tt)*] $head:tt [$($done:tt)*] $name:ident = $value:expr, $($rest:tt)*) => {
        $crate::__arguments! { [$($rows)*] $head [$($done)* ($row [stringify!($name)] [""] $value)] $($rest)* }
    };
    ([$row:tt $($rows:tt)*] $head:tt [$($done:tt)*] $name:ident, $($rest:tt)*) => {
        $crate::__arguments! { [$($rows)*] $head [$($done)* ($row [stringify!($name)] [""] $name)] $($rest)* }
    };
    ([$row:tt $($rows:tt)*] $head:tt [$($done:tt)*] &$name:ident, $($rest:tt)*) => {
        $crate::__arguments! { [$($rows)*] $head [$($done)* ($row [stringify!($name)] [""] &$name)] $($rest)* }
    };
    ([$row:tt $($rows:tt)*] $head:tt [$($done:tt)*] $owner:ident.await, $($rest:tt)*) => {
        $crate::__arguments! { [$($rows)*] $head [$($done)* ($row [stringify!($owner)] [""] $owner.await)] $($rest)* }
    };
    ([$row:tt $($rows:tt)*] $head:tt [$($done:tt)*] $owner:ident.$name:ident, $($rest:tt)*) => {
        $crate::__arguments! { [$($rows)*] $head [$($done)* ($row [stringify!($name)] [""] $owner.$name)] $($rest)* }
    };
    ([$row:tt $($rows:tt)*] $head:tt [$($done:tt)*] &$owner:ident.$name:ident, $($rest:tt)*) => {
        $crate::__arguments! { [$($rows)*] $head [$($done)* ($row [stringify!($name)] [""] &$owner.$name)] $($rest)* }
    };
    ([$row:tt $($rows:tt)*] $head:tt [$($done:tt)*] $value:expr, $($rest:tt)*) => {
        $crate::__arguments! { [$($rows)*] $head [$($done)* ($row [""] [""] $value)] $($rest)* }
    };
    // No rows are left: this is the 13th argument.
    ([] $head:tt $done:tt $name:ident = $value:expr, $($rest:tt)*) => {
        $crate::room::beyond($value)
    };
    ([] $head:tt $done:tt $value:expr, $($rest:tt)*) => {
        $crate::room::beyond($value)
    };
}

/// Evaluates the arguments and fires.
#[doc(hidden)]
#[macro_export]
macro_rules! __probe {
    // Seven or more may be more than fit: see `room`.
    ($provider:tt $probe:tt [$a:tt $b:tt $c:tt $d:tt $e:tt $f:tt $g:tt $($more:tt)*]) => {{
        $crate::__check_names!($provider $probe);
        $crate::private::a_probe_fires_at_run_time_and_cannot_stand_in_a_const_context();
        $crate::__take_room! {
            $provider $probe ($crate::room::ROOM) [] [$a $b $c $d $e $f $g $($more)*]
        }
    }};
    ($provider:tt $probe:tt [$((($Type:ident $variable:ident $($row:tt)*) $name:tt $type:tt $value:expr))*]) => {{
        $crate::__check_names!($provider $probe);
        $crate::private::a_probe_fires_at_run_time_and_cannot_stand_in_a_const_context();
        match ($(&$crate::private::pass($value),)*) {
            ($($variable,)*) => {
                $crate::__fire! { $provider $probe 1 [$((($Type $variable $($row)*) $name $type))*] }
                fire($($crate::private::value($variable)),*)
            }
        }
    }};
}

/// Evaluates the arguments one by one, each into the room that the one before left, and fires.
#[doc(hidden)]
#[macro_export]
macro_rules! __take_room {
    ($provider:tt $probe:tt ($room:expr) [$((($Type:ident $variable:ident $($row:tt)*) $name:tt $type:tt))*] []) => {{
        $crate::__fire! { $provider $probe 1 [$((($Type $variable $($row)*) $name $type))*] }
        fire($($variable),*)
    }};
    ($provider:tt $probe:tt ($room:expr) [$($done:tt)*]
        [(($Type:ident $variable:ident $($row:tt)*) $name:tt $type:tt $value:expr) $($rest:tt)*]
    ) => {
        match $crate::room::take($crate::private::value(&$crate::private::pass($value)), $room) {
            ($variable, room) => $crate::__take_room! {
                $provider $probe (room) [$($done)* (($Type $variable $($row)*) $name $type)] [$($rest)*]
            },
        }
    };
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

//! What one component does and costs, whoever calls it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use weft_types::{Class, Code, Name, Tenant, Usage};

use super::{
    latency::{Latency, Reading},
    shard::Sharded,
    tally::{CLASSES, Tally, class_index},
    tenant::{Known, Tenants, Used},
};

/// The meter of one component, shared by its revisions. Resolve it once, at deploy; recording never looks up.
///
/// Its series live as long as a handle to it.
#[derive(Debug)]
pub struct ComponentMeter {
    application: Name,
    component: Name,
    shards: Sharded<Shard>,
    faults: Tally,
    memory_peak: AtomicU64,
    tenants: Known,
}

/// What one thread has counted: two pairs of cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    ended: [AtomicU64; CLASSES.len()],
    took: Latency,
    /// Of calls without a tenant, as are these below: what all used is the sum.
    calls: AtomicU64,
    cpu_nanos: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    tenants: Tenants,
    active: AtomicU64,
    waiting: AtomicU64,
    live: AtomicU64,
    created: AtomicU64,
    reused: AtomicU64,
    lost: AtomicU64,
    log_lines: AtomicU64,
    log_dropped: AtomicU64,
}

impl ComponentMeter {
    pub(crate) fn new(application: Name, component: Name, shards: usize) -> Self {
        Self {
            application,
            component,
            shards: Sharded::new(shards),
            faults: Tally::default(),
            memory_peak: AtomicU64::new(0),
            tenants: Known::default(),
        }
    }

    pub fn application(&self) -> &Name {
        &self.application
    }

    pub fn component(&self) -> &Name {
        &self.component
    }

    /// An invocation was admitted. Pair it with [`Self::ended`].
    pub fn began(&self) {
        self.shards.here().active.fetch_add(1, Relaxed);
    }

    /// An admitted invocation came to its End, `took` after it began.
    ///
    /// `code` is ours, where the failure is; what a guest answers by itself has a class and no code.
    pub fn ended(&self, class: Class, code: Option<Code>, took: Duration, usage: &Usage, tenant: &Tenant) {
        let shard = self.shards.here();
        shard.active.fetch_sub(1, Relaxed);
        shard.took.observe(took);
        match &tenant.0 {
            Some(tenant) => shard.tenants.add(tenant, &self.tenants, usage),
            None => {
                shard.calls.fetch_add(1, Relaxed);
                shard.cpu_nanos.fetch_add(u64::try_from(usage.cpu.as_nanos()).unwrap_or(u64::MAX), Relaxed);
                shard.bytes_in.fetch_add(usage.bytes_in, Relaxed);
                shard.bytes_out.fetch_add(usage.bytes_out, Relaxed);
            }
        }
        self.judged(shard, class, code);
        // Most calls do not raise the peak: reading first keeps the line shared.
        if usage.memory_peak > self.memory_peak.load(Relaxed) {
            self.memory_peak.fetch_max(usage.memory_peak, Relaxed);
        }
    }

    /// An invocation was refused before it was admitted: it counts, but has no duration worth a histogram.
    pub fn refused(&self, class: Class, code: Code) {
        self.judged(self.shards.here(), class, Some(code));
    }

    fn judged(&self, shard: &Shard, class: Class, code: Option<Code>) {
        match code {
            None => _ = shard.ended[class_index(class)].fetch_add(1, Relaxed),
            Some(code) => self.faults.count(class, code),
        }
    }

    /// An invocation waits for a place. Pair it with [`Self::queue_left`].
    pub fn queue_entered(&self) {
        self.shards.here().waiting.fetch_add(1, Relaxed);
    }

    pub fn queue_left(&self) {
        self.shards.here().waiting.fetch_sub(1, Relaxed);
    }

    /// An instance was made. Pair it with [`Self::instance_dropped`].
    pub fn instance_created(&self) {
        let shard = self.shards.here();
        shard.created.fetch_add(1, Relaxed);
        shard.live.fetch_add(1, Relaxed);
    }

    /// An invocation met an instance that had served before.
    pub fn instance_reused(&self) {
        self.shards.here().reused.fetch_add(1, Relaxed);
    }

    /// An instance is gone. `lost`: by its guest's failure, and not because it was no longer needed.
    pub fn instance_dropped(&self, lost: bool) {
        let shard = self.shards.here();
        shard.live.fetch_sub(1, Relaxed);
        if lost {
            shard.lost.fetch_add(1, Relaxed);
        }
    }

    /// The few counts that a status shows to people.
    pub fn counts(&self) -> Counts {
        let read = self.read();
        let of = |wanted: fn(Class) -> bool| {
            let all = read.ended.iter().filter(|(class, ..)| wanted(*class));
            all.map(|(.., count)| count).sum()
        };
        Counts {
            invocations: of(|_| true),
            failures: of(|class| class == Class::Failure),
            shed: of(|class| class == Class::Shed),
            active: read.active,
            waiting: read.waiting,
            instances: read.live,
        }
    }

    pub(crate) fn log_line(&self, kept: bool) {
        let shard = self.shards.here();
        let cell = if kept { &shard.log_lines } else { &shard.log_dropped };
        cell.fetch_add(1, Relaxed);
    }

    fn by_tenant(&self) -> BTreeMap<Arc<str>, Used> {
        let sum = |read: fn(&Shard) -> &AtomicU64| self.shards.sum(|shard| read(shard).load(Relaxed));
        let mut tenants = BTreeMap::new();
        self.shards.all().for_each(|shard| shard.tenants.read(&mut tenants));
        let nobody = Used {
            calls: sum(|shard| &shard.calls),
            cpu_nanos: sum(|shard| &shard.cpu_nanos),
            bytes_in: sum(|shard| &shard.bytes_in),
            bytes_out: sum(|shard| &shard.bytes_out),
            // The component's own peak says it: a peak by tenant is kept of those that have a name.
            memory_peak: 0,
        };
        if nobody.calls > 0 {
            tenants.insert(Arc::from(""), nobody);
        }
        tenants
    }

    pub(crate) fn read(&self) -> ComponentReading {
        let sum = |read: fn(&Shard) -> &AtomicU64| self.shards.sum(|shard| read(shard).load(Relaxed));
        let level = |read: fn(&Shard) -> &AtomicU64| self.shards.level(|shard| read(shard).load(Relaxed));
        let plain = CLASSES.map(|class| {
            let count = self.shards.sum(|shard| shard.ended[class_index(class)].load(Relaxed));
            (class, "", count)
        });
        let tenants = self.by_tenant();
        let mut all = Used::default();
        tenants.values().for_each(|used| all.merge(used));
        ComponentReading {
            ended: plain.into_iter().filter(|(.., count)| *count > 0).chain(self.faults.read()).collect(),
            took: Reading::of(self.shards.all().map(|shard| &shard.took)),
            cpu_seconds: all.cpu_nanos as f64 / 1e9,
            bytes_in: all.bytes_in,
            bytes_out: all.bytes_out,
            memory_peak: self.memory_peak.load(Relaxed),
            active: level(|shard| &shard.active),
            waiting: level(|shard| &shard.waiting),
            live: level(|shard| &shard.live),
            created: sum(|shard| &shard.created),
            reused: sum(|shard| &shard.reused),
            lost: sum(|shard| &shard.lost),
            tenants,
            log_lines: sum(|shard| &shard.log_lines),
            log_dropped: sum(|shard| &shard.log_dropped),
        }
    }
}

/// A component's counts since it was deployed, and its levels now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// All that ended, whatever their class.
    pub invocations: u64,
    pub failures: u64,
    pub shed: u64,
    pub active: u64,
    pub waiting: u64,
    pub instances: u64,
}

/// Everything at one moment.
pub(crate) struct ComponentReading {
    pub(crate) ended: Vec<(Class, &'static str, u64)>,
    pub(crate) took: Reading,
    pub(crate) cpu_seconds: f64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) memory_peak: u64,
    pub(crate) active: u64,
    pub(crate) waiting: u64,
    pub(crate) live: u64,
    pub(crate) created: u64,
    pub(crate) reused: u64,
    pub(crate) lost: u64,
    /// Under the empty name, what was used without a tenant.
    pub(crate) tenants: BTreeMap<Arc<str>, Used>,
    pub(crate) log_lines: u64,
    pub(crate) log_dropped: u64,
}

#[cfg(test)]
mod tests {
    use weft_types::code;

    use super::*;

    fn meter() -> ComponentMeter {
        ComponentMeter::new(Name::new("orders").unwrap(), Name::new("api").unwrap(), 2)
    }

    #[test]
    fn an_invocation_is_active_from_its_beginning_to_its_end() {
        let meter = meter();
        meter.began();
        meter.began();
        let usage = Usage { cpu: Duration::from_millis(3), memory_peak: 1 << 20, bytes_in: 7, bytes_out: 11 };
        meter.ended(Class::Ok, None, Duration::from_millis(5), &usage, &Tenant::default());
        let nobody = Tenant::default();
        meter.ended(Class::Failure, Some(code::GUEST_TRAP), Duration::from_millis(1), &Usage::default(), &nobody);
        meter.refused(Class::Shed, code::OVERLOADED);
        let read = meter.read();
        assert_eq!(read.ended, [(Class::Ok, "", 1), (Class::Failure, "guest-trap", 1), (Class::Shed, "overloaded", 1)]);
        assert_eq!((read.active, read.took.count, read.took.sum), (0, 2, 0.006));
        let counts = Counts { invocations: 3, failures: 1, shed: 1, active: 0, waiting: 0, instances: 0 };
        assert_eq!(meter.counts(), counts);
        assert_eq!((read.bytes_in, read.bytes_out, read.memory_peak, read.cpu_seconds), (7, 11, 1 << 20, 0.003));
    }

    #[test]
    fn levels_move_both_ways_across_threads() {
        let meter = meter();
        meter.instance_created();
        meter.instance_created();
        meter.instance_reused();
        meter.queue_entered();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                meter.instance_dropped(true);
                meter.queue_left();
            });
        });
        let read = meter.read();
        assert_eq!((read.created, read.reused, read.lost, read.live, read.waiting), (2, 1, 1, 1, 0));
    }

    #[test]
    fn what_all_used_is_the_sum_of_what_each_tenant_used() {
        let meter = meter();
        let usage = |bytes| Usage { cpu: Duration::from_millis(1), memory_peak: bytes, bytes_in: bytes, bytes_out: 1 };
        for (tenant, bytes) in [(Some("a"), 10), (Some("b"), 20), (None, 5), (Some("a"), 30)] {
            meter.began();
            let tenant = Tenant(tenant.map(Arc::from));
            meter.ended(Class::Ok, None, Duration::from_millis(2), &usage(bytes), &tenant);
        }
        let read = meter.read();
        assert_eq!((read.bytes_in, read.bytes_out, read.cpu_seconds, read.memory_peak), (65, 4, 0.004, 30));
        let told: Vec<_> = read.tenants.iter().map(|(name, used)| (&**name, used.calls, used.bytes_in)).collect();
        assert_eq!(told, [("", 1, 5), ("a", 2, 40), ("b", 1, 20)]);
        assert_eq!((read.tenants["a"].memory_peak, read.tenants["a"].cpu_nanos), (30, 2_000_000));
    }
}

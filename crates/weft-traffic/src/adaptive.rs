//! The adaptive limit as a gate holds it: how many calls at once it lets in now, of those that it might.
//!
//! ```text
//! places = fixed                                     while the node's cores have time to spare
//!        = min(fixed, limit + streams)               while they are all in use, or always, as is asked for
//! ```
//!
//! * **It binds while the cores are in use, and not before.** A call that waits for something takes no core from
//!   another, and nobody can know how long it will wait: long polls would otherwise fill a limit that only answers can
//!   raise.
//! * **A call counts until its Head.** What streams on waits for its reader; it keeps its place of the fixed ones alone.

use std::time::Duration;

use weft_types::Timestamp;

use crate::{
    Limits, PriorityAdmission, codel,
    gradient::{self, Gradient, Sample},
};

/// When the limit binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binds {
    /// While the cores of this node are all in use: for what computes here.
    Busy,
    /// For what computes elsewhere, of whose cores nothing is known here.
    Always,
}

/// How one gate adapts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    pub gradient: gradient::Options,
    pub binds: Binds,
    /// What a standing queue is while it binds: then calls wait because there is too much to do.
    pub shedding: codel::Options,
}

/// The state for one callee. Constant work, no allocation.
#[derive(Debug, Clone, Copy)]
pub struct Adaptive {
    gradient: Gradient,
    binds: Binds,
    shedding: codel::Options,
    streams: u32,
}

/// As it stands, for `status` and the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub gradient: gradient::View,
    /// Calls past their Head, which do not count.
    pub streams: u32,
}

impl Adaptive {
    pub fn new(options: Options) -> Self {
        let Options { gradient, binds, shedding } = options;
        Self { gradient: Gradient::new(gradient), binds, shedding, streams: 0 }
    }

    /// Calls that may be inside now, `fixed` at most. `busy`: whether the node's cores are all in use.
    #[inline]
    pub fn places(&self, fixed: u32, busy: bool) -> u32 {
        match busy || self.binds == Binds::Always {
            true => fixed.min(self.gradient.limit().saturating_add(self.streams)),
            false => fixed,
        }
    }

    /// Gives `admission` the places that there are now; whoever waits is to be told. `fixed` and `calm` are what holds
    /// while it does not bind.
    #[inline]
    pub fn govern(
        &self,
        admission: &mut PriorityAdmission,
        (fixed, calm): (Limits, codel::Options),
        busy: bool,
        now: Timestamp,
    ) {
        let places = self.places(fixed.concurrency, busy);
        if places != admission.limits().concurrency {
            admission.watch(if places < fixed.concurrency { self.shedding } else { calm });
            admission.resize(Limits { concurrency: places, ..fixed }, now);
        }
    }

    /// How many of the calls inside have yet to answer.
    #[inline]
    pub fn in_flight(&self, running: u32) -> u32 {
        running.saturating_sub(self.streams)
    }

    /// A call has answered. What it computed is known only of a call that is over.
    pub fn answered(&mut self, took: Duration, in_flight: u32, busy: bool, cpu: Option<Duration>) {
        let busy = busy && self.binds == Binds::Busy;
        self.gradient.record(Sample { took, in_flight, busy, cpu });
    }

    /// A call is past its Head and goes on.
    pub fn streams(&mut self) {
        self.streams += 1;
    }

    /// Such a call is over.
    pub fn streamed(&mut self) {
        debug_assert!(self.streams > 0, "more ended than began");
        self.streams = self.streams.saturating_sub(1);
    }

    pub fn view(&self) -> View {
        View { gradient: self.gradient.view(), streams: self.streams }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adaptive(binds: Binds) -> Adaptive {
        let shedding = codel::Options::default();
        Adaptive::new(Options { gradient: gradient::Options::for_cores(2), binds, shedding })
    }

    #[test]
    fn it_binds_while_the_cores_are_in_use() {
        let own = adaptive(Binds::Busy);
        assert_eq!((own.places(256, false), own.places(256, true), own.places(3, true)), (256, 4, 3));
        let others = adaptive(Binds::Always);
        assert_eq!((others.places(256, false), others.places(256, true)), (4, 4));
    }

    #[test]
    fn who_streams_takes_no_place_of_those_that_adapt() {
        let mut limit = adaptive(Binds::Busy);
        (0..10).for_each(|_| limit.streams());
        assert_eq!((limit.places(256, true), limit.places(12, true), limit.in_flight(12)), (14, 12, 2));
        (0..10).for_each(|_| limit.streamed());
        assert_eq!(limit.places(256, true), 4);
    }
}

//! Two servers, one machine: each has its turn in every round, first and second alternately.

use std::time::Duration;

use crate::{load, server::Server};

/// Loaded before the first turn that counts: pools fill, branches are learnt.
const WARM: Duration = Duration::from_secs(1);

/// One comparison. `ratio` is bigger where ours is better.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Requests a second, of time or of CPU by what the row is about: the median of the turns.
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    /// The median of the rounds' ratios.
    pub(crate) ratio: f64,
    /// Half the distance between the rounds' lowest and highest ratio: `ratio ± spread`.
    pub(crate) spread: f64,
    /// Microseconds of CPU a request, user and system, all threads.
    pub(crate) ours_cpu: f64,
    pub(crate) peer_cpu: f64,
    /// System calls a request, counted in a run of its own.
    pub(crate) ours_syscalls: Option<f64>,
    pub(crate) peer_syscalls: Option<f64>,
}

/// What one server did in one turn.
pub(crate) struct Turn {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Microseconds of CPU a request.
    pub(crate) cpu: f64,
}

/// What is better: more requests a second, or more of them a second of CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum By {
    Rate,
    Cpu,
}

impl By {
    fn merit(self, turn: &Turn) -> f64 {
        match self {
            Self::Rate => turn.rate,
            Self::Cpu => 1e6 / turn.cpu,
        }
    }
}

pub(crate) fn compare(
    (name, by): (&str, By),
    ours: &Server,
    peer: &Server,
    rounds: usize,
    turn: Duration,
) -> Result<Row, String> {
    for server in [ours, peer] {
        load::turn(server.address, load::ROOT, WARM).map_err(|e| format!("{}: {e}", server.name))?;
    }
    let (mut our_turns, mut peer_turns) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let (a, b);
        if round % 2 == 0 {
            a = one(ours, load::ROOT, turn)?;
            b = one(peer, load::ROOT, turn)?;
        } else {
            b = one(peer, load::ROOT, turn)?;
            a = one(ours, load::ROOT, turn)?;
        }
        our_turns.push(a);
        peer_turns.push(b);
    }
    Ok(row(name, by, &our_turns, &peer_turns))
}

/// One server's turn.
pub(crate) fn one(server: &Server, ask: load::Ask<'_>, turn: Duration) -> Result<Turn, String> {
    let before = server.process.cpu()?;
    let count = load::turn(server.address, ask, turn)
        .map_err(|e| format!("{}: {e}; {}", server.name, server.process.last_words()))?;
    let cpu = (server.process.cpu()? - before).as_secs_f64() * 1e6 / count.requests.max(1) as f64;
    Ok(Turn { rate: count.rate(), cpu })
}

fn row(name: &str, by: By, ours: &[Turn], peer: &[Turn]) -> Row {
    let ratios: Vec<f64> = ours.iter().zip(peer).map(|(a, b)| by.merit(a) / by.merit(b)).collect();
    let most = ratios.iter().copied().fold(f64::MIN, f64::max);
    let least = ratios.iter().copied().fold(f64::MAX, f64::min);
    Row {
        name: name.to_owned(),
        ours: median(ours.iter().map(|t| by.merit(t))),
        peer: median(peer.iter().map(|t| by.merit(t))),
        ratio: median(ratios.iter().copied()),
        spread: (most - least) / 2.0,
        ours_cpu: median(ours.iter().map(|t| t.cpu)),
        peer_cpu: median(peer.iter().map(|t| t.cpu)),
        ours_syscalls: None,
        peer_syscalls: None,
    }
}

/// The middle one, or the mean of the two; 0 of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_median_of_rounds_not_of_sides() {
        let turns = |rates: &[f64]| rates.iter().map(|r| Turn { rate: *r, cpu: 1e6 / r }).collect::<Vec<_>>();
        // The machine halves its speed in the second round: each side sees it, the ratio does not.
        let row = row("x", By::Rate, &turns(&[200.0, 100.0, 220.0]), &turns(&[100.0, 50.0, 100.0]));
        assert_eq!((row.ours, row.peer, row.ratio), (200.0, 100.0, 2.0));
        assert!((row.spread - 0.1).abs() < 1e-9, "{}", row.spread);
        assert_eq!(row.ours_cpu, 5000.0);
    }

    #[test]
    fn by_cpu_the_cheaper_one_is_better() {
        let turns = |cpu| vec![Turn { rate: 100.0, cpu }];
        let row = row("x", By::Cpu, &turns(10.0), &turns(20.0));
        assert_eq!((row.ours, row.peer, row.ratio), (100_000.0, 50_000.0, 2.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median([].into_iter()), 0.0);
    }
}

//! Which methods a route takes, and how closely it names one.

use http::Method;

/// The methods of a route: a bit for each of the usual ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Methods {
    any: bool,
    usual: u16,
    others: Vec<Method>,
}

const USUAL: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

impl Methods {
    pub(crate) fn new(list: &[Method]) -> Self {
        let mut methods = Self { any: list.is_empty(), usual: 0, others: Vec::new() };
        for method in list {
            match bit(method) {
                0 => methods.others.push(method.clone()),
                bit => methods.usual |= bit,
            }
        }
        methods
    }

    /// How closely this names the method: 2 listed, 1 HEAD implied by GET, 0 any; `None`: not at all.
    pub(crate) fn rank(&self, method: &Method) -> Option<u8> {
        if self.any {
            return Some(0);
        }
        let bit = bit(method);
        if self.usual & bit != 0 || (bit == 0 && self.others.contains(method)) {
            return Some(2);
        }
        (*method == Method::HEAD && self.usual & GET != 0).then_some(1)
    }

    /// Whether some method has the same rank in both.
    pub(crate) fn ties(&self, other: &Self) -> bool {
        match (self.any, other.any) {
            (true, true) => true,
            (false, false) => self.usual & other.usual != 0 || self.others.iter().any(|m| other.others.contains(m)),
            _ => false,
        }
    }

    pub(crate) fn list(&self, out: &mut Vec<Method>) {
        let implied = if self.usual & GET != 0 { HEAD } else { 0 };
        out.extend(USUAL.iter().filter(|method| (self.usual | implied) & bit(method) != 0).cloned());
        out.extend(self.others.iter().cloned());
    }
}

const GET: u16 = 1;
const HEAD: u16 = 2;

fn bit(method: &Method) -> u16 {
    match *method {
        Method::GET => GET,
        Method::HEAD => HEAD,
        Method::POST => 4,
        Method::PUT => 8,
        Method::DELETE => 16,
        Method::PATCH => 32,
        Method::OPTIONS => 64,
        Method::CONNECT => 128,
        Method::TRACE => 256,
        _ => 0,
    }
}

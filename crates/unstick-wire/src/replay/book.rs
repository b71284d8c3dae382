//! All recorded connections with their rules, and what is known of each message before anything is played.

use std::collections::BTreeMap;
use std::ops::Range;

use super::rules::{Difference, Rules};
use super::script::{Script, Step};
use crate::role::Role;

/// The recorded connections that are played, and how their messages are compared.
#[derive(Debug, Clone, Default)]
pub struct Playbook {
    pub(super) scripts: Vec<Script>,
    pub(super) rules: Rules,
    /// Of each connection: which bytes of which message were learnt to be volatile, sorted.
    pub(super) learnt: Vec<BTreeMap<usize, Vec<Range<usize>>>>,
    /// Of each connection: which request the id of an answer is from, by the answer and the rule.
    pub(super) sources: Vec<BTreeMap<(usize, usize), usize>>,
    /// Of each connection: which answer the id of a request is from, by the request and the rule.
    pub(super) origins: Vec<BTreeMap<(usize, usize), usize>>,
}

impl Playbook {
    /// Makes a playbook of these connections.
    pub fn new(scripts: Vec<Script>, rules: Rules) -> Self {
        let repeated = |giver| scripts.iter().map(|script| sources(script, &rules, giver)).collect();
        let (sources, origins) = (repeated(Role::Client), repeated(Role::Server));
        let learnt = vec![BTreeMap::new(); scripts.len()];
        Self { scripts, rules, learnt, sources, origins }
    }

    /// The connections.
    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Returns where a received message differs from that of a step of a connection. Both are counted from 0 on.
    pub fn difference(&self, script: usize, step: usize, received: &[u8]) -> Option<Difference> {
        let Step { from, message, .. } = self.scripts.get(script)?.steps.get(step)?;
        let learnt = self.learnt[script].get(&step).map_or(&[][..], Vec::as_slice);
        if self.rules.copies.is_empty() {
            return self.rules.difference_besides(learnt, message, received);
        }
        // Ids that are copied are not compared.
        let ids = self.rules.copies.iter().filter(|copy| copy.id(*from, message).is_some());
        let mut besides: Vec<_> = ids.map(|copy| copy.at(*from)..copy.at(*from) + copy.width).collect();
        besides.extend_from_slice(learnt);
        self.rules.difference_besides(&merged(besides), message, received)
    }
}

/// Sorts ranges, and joins those that touch.
pub(super) fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Finds where each id comes from: the last message of this side, before the one that repeats it, with the same bytes.
fn sources(script: &Script, rules: &Rules, giver: Role) -> BTreeMap<(usize, usize), usize> {
    let mut found = BTreeMap::new();
    for (number, copy) in rules.copies.iter().enumerate() {
        let mut given: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (at, step) in script.steps.iter().enumerate() {
            let Some(id) = copy.id(step.from, &step.message) else { continue };
            if step.from == giver {
                given.insert(id, at);
            } else if let Some(source) = given.get(id) {
                found.insert((at, number), *source);
            }
        }
    }
    found
}

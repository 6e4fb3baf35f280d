//! The trail: every candidate weighed, and what became of it.

use std::fmt;
use std::sync::Arc;

use super::{Certificate, Criterion, KeyIdMatch, Refusal};

/// The record of an assembly, from the leaf upwards.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// One entry for each candidate, those for one certificate together.
    pub steps: Vec<Step>,
    /// Candidates of the same name that are not listed, their key id being another.
    pub unlisted: usize,
    /// The search ended because it had looked at as many candidates, or checked as many signatures, as it may.
    pub budget_exhausted: bool,
}

/// A candidate issuer of one certificate.
#[derive(Clone, Debug)]
pub struct Step {
    /// The certificate whose issuer is looked for.
    pub child: Arc<Certificate>,
    /// The candidate.
    pub candidate: Arc<Certificate>,
    /// Whether the candidate is a configured anchor.
    pub is_anchor: bool,
    /// How well the child's authorityKeyIdentifier fits.
    pub key_id: KeyIdMatch,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the chain, or its end.
    Chosen,
    /// Nothing speaks against it, but there are so many ways on from it that they were not compared.
    NotCompared,
    /// It would do, but another is better by this criterion.
    Passed(Criterion),
    /// It is not used for these reasons.
    Refused(Vec<Refusal>),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("chosen"),
            Self::NotCompared => f.write_str("passed over: too many ways to compare"),
            Self::Passed(criterion) => write!(f, "passed over: {criterion}"),
            Self::Refused(refusals) => {
                f.write_str("refused: ")?;
                for (position, refusal) in refusals.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{refusal}")?;
                }
                Ok(())
            }
        }
    }
}

/// A paragraph for each certificate: a line that names it, then a line for each candidate.
impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut child: Option<&Arc<Certificate>> = None;
        for step in &self.steps {
            if child != Some(&step.child) {
                writeln!(f, "issuer of {}", step.child)?;
                child = Some(&step.child);
            }
            let role = if step.is_anchor { "anchor" } else { "store " };
            writeln!(
                f,
                "  {role}  {}  ({}): {}",
                step.candidate,
                step.key_id.words(),
                step.verdict
            )?;
        }
        if self.unlisted > 0 {
            writeln!(f, "  and {} more of the same name with other key ids", self.unlisted)?;
        }
        if self.budget_exhausted {
            writeln!(
                f,
                "the search ended at its limit: too many certificates refer to one another"
            )?;
        }
        Ok(())
    }
}

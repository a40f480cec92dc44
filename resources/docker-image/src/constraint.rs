//! Version constraints: the syntax of Masterminds' `semver`, with the comparison of the `semver` crate.
//!
//! `||` separates alternatives; commas or spaces separate bounds that must all hold. A bound is an operator (`=`, `!=`,
//! `>`, `<`, `>=`, `<=`, `~`, `^`) and a version whose last parts may be missing or `x`, or two versions with ` - `
//! between them.

use std::str::FromStr;

use semver::{Prerelease, Version};

/// A constraint: all bounds of one alternative must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Constraint {
    alternatives: Vec<Vec<Bound>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    operator: Operator,
    version: Partial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    AtLeast,
    AtMost,
    Tilde,
    Caret,
}

/// A version whose last parts may be missing or `x`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Partial {
    /// Open parts are zero.
    version: Version,
    major_open: bool,
    minor_open: bool,
    patch_open: bool,
}

/// Longest first, so that no operator is parsed as a prefix of another.
const OPERATORS: [(&str, Operator); 12] = [
    (">=", Operator::AtLeast),
    ("=>", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=<", Operator::AtMost),
    ("!=", Operator::NotEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Equal),
];

impl Constraint {
    /// Whether a version satisfies the constraint. A pre-release does so only if one of the bounds has a pre-release.
    pub(crate) fn admits(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|bounds| {
            (version.pre.is_empty() || bounds.iter().any(Bound::names_a_pre_release))
                && bounds.iter().all(|bound| bound.admits(version))
        })
    }
}

impl Bound {
    fn names_a_pre_release(&self) -> bool {
        !self.version.version.pre.is_empty()
    }

    fn admits(&self, version: &Version) -> bool {
        let Partial { version: own, minor_open, patch_open, .. } = &self.version;
        // Only the open part and the parts after it may differ.
        let is_open = *patch_open;
        let same_major = version.major == own.major;
        let same_minor = same_major && (*minor_open || version.minor == own.minor);
        let order = version.cmp_precedence(own);
        let is_among = self.version.major_open || (same_minor && is_open);
        match self.operator {
            Operator::Equal => {
                if is_open {
                    is_among && order.is_ge()
                } else {
                    order.is_eq()
                }
            }
            Operator::NotEqual => {
                if is_open {
                    !is_among
                } else {
                    order.is_ne()
                }
            }
            Operator::Greater => order.is_gt() && !is_among,
            Operator::Less => order.is_lt(),
            Operator::AtLeast => order.is_ge(),
            Operator::AtMost => order.is_le() || is_among,
            Operator::Tilde => {
                let is_zero = *own == Version::new(0, 0, 0) && !is_open;
                order.is_ge() && (self.version.major_open || is_zero || same_minor)
            }
            Operator::Caret => {
                let same_patch = own.minor > 0 || *patch_open || version.patch == own.patch;
                let below = own.major > 0 || *minor_open || (same_minor && same_patch);
                order.is_ge() && (self.version.major_open || (same_major && below))
            }
        }
    }
}

impl FromStr for Constraint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let alternatives: Option<Vec<_>> = text.split("||").map(alternative).collect();
        let alternatives = alternatives.ok_or_else(|| {
            "is not a valid constraint; expected bounds such as `~1.2`, `^1`, `>=1.2, <3`, `1.x`, `1.2 - 1.4`, with `||` between alternatives".to_owned()
        })?;
        Ok(Self { alternatives })
    }
}

/// The bounds of one alternative.
fn alternative(text: &str) -> Option<Vec<Bound>> {
    let mut bounds = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (operator, after) =
            OPERATORS.iter().find_map(|(text, operator)| Some((*operator, rest.strip_prefix(text)?)))?;
        let (version, after) = version_and_rest(after.trim_start())?;
        // `1.2 - 1.4`: the dash has a space on both sides.
        let range = after.trim_start().strip_prefix('-').filter(|after| after.starts_with(' '));
        if let (Some(after_dash), true) = (range, after.starts_with(' ')) {
            if operator != Operator::Equal || rest.starts_with('=') {
                return None;
            }
            let (last, after) = version_and_rest(after_dash.trim_start())?;
            bounds.push(Bound { operator: Operator::AtLeast, version });
            bounds.push(Bound { operator: Operator::AtMost, version: last });
            rest = after;
        } else {
            bounds.push(Bound { operator, version });
            rest = after;
        }
        let separated = rest.trim_start_matches([' ', ',']);
        if separated.len() == rest.len() && !rest.is_empty() && !rest.starts_with(['<', '>', '=', '!', '~', '^']) {
            return None;
        }
        rest = separated;
    }
    Some(bounds)
}

/// Parses a version at the beginning of a text, and returns the rest.
fn version_and_rest(text: &str) -> Option<(Partial, &str)> {
    let end = text.find([' ', ',', '<', '>', '=', '!', '~', '^']).unwrap_or(text.len());
    let (version, rest) = text.split_at(end);
    Some((version.parse().ok()?, rest))
}

impl FromStr for Partial {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_prefix('v').unwrap_or(text);
        // Build metadata does not affect precedence, and tags cannot have it.
        let (text, _) = text.split_once('+').unwrap_or((text, ""));
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
        let mut parts = numbers.split('.');
        let mut open = false;
        let mut next = |required: bool| -> Result<(u64, bool), ()> {
            match parts.next() {
                None if required => Err(()),
                None | Some("x" | "X" | "*") => {
                    open = true;
                    Ok((0, true))
                }
                Some(number) => {
                    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                    let number = number.parse().ok().filter(|_| digits).ok_or(())?;
                    // `1.x.3` means `1.x`.
                    Ok(if open { (0, true) } else { (number, false) })
                }
            }
        };
        let ((major, major_open), (minor, minor_open), (patch, patch_open)) = (next(true)?, next(false)?, next(false)?);
        if parts.next().is_some() {
            return Err(());
        }
        let mut version = Version::new(major, minor, patch);
        if let Some(pre) = pre {
            if pre.is_empty() {
                return Err(());
            }
            version.pre = Prerelease::new(pre).map_err(|_| ())?;
        }
        Ok(Self { version, major_open, minor_open, patch_open })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admits(constraint: &str, version: &str) -> bool {
        let constraint: Constraint = constraint.parse().unwrap_or_else(|_| panic!("{constraint}"));
        constraint.admits(&Version::parse(version).unwrap())
    }

    /// From Masterminds' own test table, and the observed behaviour of the established resource.
    #[test]
    fn matches_like_masterminds() {
        for (constraint, version, admitted) in [
            ("=2.0.0", "2.0.0", true),
            ("=2.0.0", "2.0.1", false),
            ("=1.2", "1.2.5", true),
            ("=1.2", "1.3.0", false),
            ("v1.2.3", "1.2.3", true),
            ("4.1", "4.1.0", true),
            ("4.1", "4.1.9", true),
            ("4.1.x", "4.1.3", true),
            ("1.x", "1.4.0", true),
            ("1.x", "2.0.0", false),
            ("1.X", "1.4.0", true),
            ("1.*", "1.4.0", true),
            ("*", "1.2.3", true),
            ("*", "4.5.6", true),
            ("*", "1.2.3-alpha.1", false),
            ("!=4.1.0", "4.1.0", false),
            ("!=4.1.0", "4.1.1", true),
            ("!=4.x", "4.1.0", false),
            ("!=4.x", "5.1.0", true),
            ("!=4.1.x", "4.2.0", true),
            ("!=4.2.x", "4.2.3", false),
            (">1.1", "4.1.0", true),
            (">1.1", "1.1.0", false),
            (">1.2", "1.2.1", false),
            (">1.2", "1.3.0", true),
            (">0", "0.1.0", false),
            (">0", "1.0.0", true),
            (">0.0.0", "0.0.1", true),
            ("<1.1", "0.1.0", true),
            ("<1.1", "1.1.0", false),
            ("<1.x", "1.1.1", false),
            ("<1.x", "0.9.1", true),
            (">=1.1", "1.1.0", true),
            (">=1.1", "0.0.9", false),
            ("<=1.1", "1.1.0", true),
            ("<=1.1", "1.1.1", true),
            ("<=1.x", "1.1.1", true),
            ("<=2.x", "3.0.0", false),
            ("<=1.1-a", "1.1.0", true),
            ("^2.x", "2.3.1", true),
            ("^2.x", "3.0.0", false),
            ("^1.1.2", "1.1.3", true),
            ("^1.1.2", "1.2.1", true),
            ("^1.1.2", "1.1.1", false),
            ("^0.2.3", "0.2.5", true),
            ("^0.2.3", "0.3.0", false),
            ("^0.0.3", "0.0.3", true),
            ("^0.0.3", "0.0.4", false),
            ("^0.0", "0.0.5", true),
            ("^0.0", "0.1.0", false),
            ("^0", "0.9.9", true),
            ("^0", "1.0.0", false),
            ("^0.2", "0.2.5", true),
            ("^0.2", "0.3.5", false),
            ("~0.0.0", "1.9.2", true),
            ("~1.2", "1.2.9", true),
            ("~1.2", "1.3.0", false),
            ("~1.2", "1.2.9-rc1", false),
            ("~1", "1.9.0", true),
            ("~1", "2.0.0", false),
            ("~1.2.3", "1.2.2", false),
            ("~1.2.3", "1.2.9", true),
            ("~*", "2.1.1", true),
            ("~>1.2", "1.2.7", true),
            ("1.2 - 1.4", "1.4.5", true),
            ("1.2 - 1.4", "1.5.0", false),
            ("1.2 - 1.4", "1.1.9", false),
            ("v1.2.0 - v1.4.0", "1.4.1", false),
            (">=1.2-0", "1.3.0-rc1", true),
            (">=1.2-0 <2", "1.3.0-rc1", true),
            (">=1.2 <2", "1.3.0-rc1", false),
            (">1.1.0-alpha", "1.1.0-beta", true),
            (">1.1.0-beta", "1.1.0-alpha", false),
            ("=1.1.0-rc.10", "1.1.0-rc.10", true),
            (">1.1.0-rc.9", "1.1.0-rc.10", true),
            (">=1.1, <2, !=1.2.3 || >= 3", "1.2.4", true),
            (">=1.1, <2, !=1.2.3 || >= 3", "1.2.3", false),
            (">=1.1, <2, !=1.2.3 || >= 3", "3.0.0", true),
            (">=1.1,<2,!=1.2.3", "1.3.0", true),
            (">= 1.1 < 2", "1.3.0", true),
            (">=1.1<2", "2.3.0", false),
            ("=> 1.1", "1.1.0", true),
            ("=<1.1", "1.1.0", true),
            (">=1.2.x", "1.2.0", true),
            ("1.2.3+meta", "1.2.3", true),
        ] {
            assert_eq!(admits(constraint, version), admitted, "{constraint} {version}");
        }
    }

    #[test]
    fn rejects_invalid_constraints() {
        for text in [
            "wat", "", " ", "||", "1.2.3.4", ">", ">=a", "1 ||", "~~1", "1.2 -", "=1 - 2", "1-", "1.2.3 4x", "1;2",
            "<>1",
        ] {
            assert!(text.parse::<Constraint>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-0-9xX*.<>=!~^|, va]{0,30}", major in 0_u64..5, minor in 0_u64..5) {
            if let Ok(constraint) = text.parse::<Constraint>() {
                constraint.admits(&Version::new(major, minor, 0));
            }
        }
    }
}

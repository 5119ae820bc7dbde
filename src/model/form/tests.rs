use proptest::prelude::*;

use super::*;

/// Each form with some of its texts, and with texts that no filter of the form can match.
fn samples() -> Vec<(Form, Vec<&'static str>, Vec<&'static str>)> {
    const STATES: Form = Form::Word(&["pending", "running", "stopped"]);
    vec![
        (STATES, vec!["running", "r*", "?*ed", "*"], vec!["", "runing", "Running", "run[n]ing", "run", "running "]),
        (Form::Flag, vec!["true", "false", "t*"], vec!["True", "1", "yes", ""]),
        (
            Form::Id(&["i-"]),
            vec!["i-0123456789abcdef0", "i-01234567", "i-0*", "*f", "i-????????"],
            vec!["i-0123", "vol-01234567", "i-0123456789ABCDEF0", "i-0[1-8]*", "web-1", "i-", "", "*g*", "i-????"],
        ),
        (Form::IdOr(&["dopt-"], "default"), vec!["default", "dopt-01234567", "def*"], vec!["defaults", "none"]),
        (Form::Prefixed("sir-"), vec!["sir-7yk6t7fh", "sir-*"], vec!["sir-", "i-01234567", "sir-A"]),
        (Form::Arn, vec!["arn:aws:iam::1:x/web", "*/web"], vec!["web", "arn", "ARN:aws:x"]),
        (Form::Account, vec!["123456789012", "1234*"], vec!["1234-5678-9012", "12345678901", "self"]),
        (
            Form::Time,
            vec![
                "2026-03-30T15:15:21.000Z",
                "2026-03-30T15:15:21+00:00",
                "2026-03-30T15:15:21.120000+00:00",
                "2026-03-30T*",
                "2026-03-*",
                "*T15:*",
                "2026-03-30T15:15:??.000Z",
            ],
            vec![
                "2026-03-30",
                "2026-13-*",
                "2026-3-*",
                "2026-03-30 15*",
                "2026-02-30T00:00:00.000Z",
                "yesterday",
                "",
                "-7d",
            ],
        ),
        (Form::Number, vec!["0", "8", "100", "1*", "?"], vec!["08", "8GiB", "-1", "8.0", "", "+8"]),
        (Form::Port, vec!["-1", "22"], vec!["22-80", "ssh"]),
        (Form::Protocol, vec!["tcp", "-1", "6", "icmp*"], vec!["TCP", "all", "http"]),
        (Form::Percent, vec!["100%", "*%"], vec!["100", "done"]),
        (
            Form::Ipv4,
            vec!["10.0.0.1", "10.0.*", "*.5"],
            vec!["10.0.0.256", "10.0.0.0/24", "10.0.0", "010.0.0.1", "999.*", "a*"],
        ),
        (Form::Ipv6, vec!["2001:db8::1", "2001:db8:*"], vec!["2001:DB8::1", "10.0.0.1/8", "::g", "1:2"]),
        (
            Form::Cidr,
            vec!["10.0.0.0/16", "10.*", "*/24"],
            vec!["10.0.0.0", "10.0.0.5/24", "10.0.0.0/33", "10.0.0.0/08"],
        ),
        (Form::Cidr6, vec!["2001:db8::/56", "::/0"], vec!["2001:db8::", "2001:db8::1/56"]),
        (
            Form::Zone,
            vec![
                "us-east-1a",
                "us-west-2-lax-1a",
                "us-east-1-wl1-bos-wlz-1",
                "us-gov-west-1b",
                "us-east-1*",
                "us-east-1?",
            ],
            vec!["us-east-1", "use1-az1", "US-EAST-1A"],
        ),
        (Form::ZoneId, vec!["use1-az1", "usw2-lax1-az1", "use1-wl1-bos-wlz1"], vec!["us-east-1a", "az1"]),
        (Form::Mac, vec!["0a:1b:2c:3d:4e:5f", "0a:*"], vec!["0A:1B:2C:3D:4E:5F", "0a-1b-2c-3d-4e-5f"]),
    ]
}

#[test]
fn a_form_admits_what_could_match_and_nothing_else() {
    for (form, admitted, refused) in samples() {
        for value in admitted {
            assert!(form.admits(value), "{form:?} refuses {value:?}");
        }
        for value in refused {
            assert!(!form.admits(value), "{form:?} admits {value:?}");
        }
        assert!(form.advice().starts_with("its values") || form.advice().starts_with("that is"), "{form:?}");
    }
    // Without milliseconds it is the same moment, but not the same part of a pattern.
    assert!(Form::Time.admits("2026-03-30T15:15:21Z") && Form::Time.admits("2026-03-30T17:15:21+02:00"));
    assert!(!Form::Time.admits("2026-03-30T15:15:?1Z"));
    assert!(Form::Text.admits("") && Form::Text.admits("[1-8]") && Form::Prose.admits(""));
}

#[test]
fn the_value_that_was_probably_meant_is_offered() {
    for (form, written, meant) in [
        (Form::Time, "2026-03-30", "2026-03-30*"),
        (Form::Time, "2026-03-30 15:15", "2026-03-30T15:15*"),
        (Form::Flag, "True", "true"),
        (Form::Flag, " false", "false"),
        (Form::Account, "1234-5678-9012", "123456789012"),
        (Form::Zone, "us-east-1", "us-east-1?"),
        (Form::Arn, "web", "*/web"),
        (Form::Ipv4, "10.0.1.0/24", "10.0.1.*"),
        (Form::Cidr, "10.0.0.5/24", "10.0.0.0/24"),
        (Form::Cidr, "10.0.0.0", "10.0.0.0/*"),
        (Form::Ipv6, "2001:DB8::1", "2001:db8::1"),
        (Form::Percent, "100", "100%"),
        (Form::Mac, "0A-1B-2C-3D-4E-5F", "0a:1b:2c:3d:4e:5f"),
        (Form::Protocol, "ALL", "-1"),
        (Form::Number, "8GiB", "8"),
        (Form::Id(&["i-"]), "I-0123456789ABCDEF0", "i-0123456789abcdef0"),
    ] {
        assert_eq!(form.repaired(written).as_deref(), Some(meant), "{written}");
    }
    assert_eq!(Form::Ipv4.repaired("web"), None);
}

proptest! {
    /// Against a plain model: a pattern still matches a text after wildcards replace any part of it.
    #[test]
    fn a_pattern_made_of_a_value_is_admitted(which in 0..19_usize, nth in 0..8_usize, from in 0..30_usize, to in 0..30_usize, one: bool) {
        let samples = samples();
        let (form, admitted, _) = &samples[which % samples.len()];
        let value: Vec<char> = admitted[nth % admitted.len()].chars().collect();
        let (from, to) = (from.min(value.len()), to.clamp(from, from + 30).min(value.len()));
        let wild = if one { "?".repeat(to.saturating_sub(from)) } else { "*".to_owned() };
        let head: String = value[..from].iter().collect();
        let tail: String = value[to.max(from)..].iter().collect();
        let pattern = format!("{head}{wild}{tail}");
        // A `*` that also replaces neighbouring wildcards leaves the pattern as wide as before; `?` for `*` does not.
        prop_assume!(!one || !admitted[nth % admitted.len()].contains('*'));
        prop_assert!(form.admits(&pattern), "{:?} refuses {}", form, pattern);
    }
}

//! Refuses answers that are not whole.
//!
//! The SDK's XML decoder takes the end of its input, and anything it cannot read, as the end of every open element. A body
//! that a middlebox cut off (with its framing in order, so that HTTP sees no fault) would then pass as a shorter page without
//! a next one, or as an instance without its tags: absences that nobody claimed. So an answer counts only when its markup
//! is balanced from the root's start to its end ([`super::markup`]). JSON needs none of this: its decoder fails where the text ends early.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::markup::{Broken, Marks};

/// Fails every call that succeeded by an answer that is not whole. It shows as an answer that could not be read.
#[derive(Debug)]
pub(super) struct WholeAnswers;

impl Intercept for WholeAnswers {
    fn name(&self) -> &'static str {
        "WholeAnswers"
    }

    /// A failure stays what the SDK made of it: its status says enough.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match (context.output_or_error(), context.response().body().bytes()) {
            (Ok(_), Some(body)) => Ok(whole(body)?),
            _ => Ok(()),
        }
    }
}

/// Whether `body` is one element with balanced content, and nothing else but prologue and blanks.
///
/// # Errors
/// [`Broken`]: the first place where it is not.
fn whole(body: &[u8]) -> Result<(), Broken> {
    let mut marks = Marks::new(body)?;
    while marks.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n  <!-- > -->\
         <reservationSet><item><instanceId>i-1</instanceId><tagSet/><name>a &lt; b</name></item></reservationSet>\
         <note><![CDATA[</x>]]></note><nextToken >t</nextToken ></DescribeInstancesResponse>\n";

    #[test]
    fn a_whole_answer_passes() {
        for body in [
            PAGE,
            "<a/>",
            "<a b='1' c = \"2\" />",
            "\u{feff}<a>\n</a>",
            "<a b='x > y'>z</a>",
            "<e:a xmlns:e='u'><e:b/></e:a>",
            "<a/><!-- after --> <?and more?>\n",
        ] {
            assert_eq!(whole(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn an_answer_cut_anywhere_before_its_last_tag_ends_does_not() {
        let last = PAGE.trim_end().len();
        for end in 0..last {
            assert_eq!(whole(&PAGE.as_bytes()[..end]), Err(Broken::CutOff(end)), "{}", &PAGE[..end]);
        }
        assert_eq!(whole(&PAGE.as_bytes()[..last]), Ok(()));
    }

    #[test]
    fn broken_markup_does_not_pass() {
        for body in [
            "<a><b></a></b>",
            "<a></a><a></a>",
            "<a/><b/>",
            "<a></a>x",
            "x<a></a>",
            "<a><b c></b></a>",
            "<a>< b></a>",
            "<a><1></1></a>",
            "<a>\u{0}</a>",
            "<a>]]></a>",
            "<a><b c=\"<\"></b></a>",
            "</a>",
            "<a b=1></a>",
            "<>",
            "{}",
            "<a><!-- - -- --></a>",
            "<a><?xml version='1.0'?></a>",
            "<![CDATA[x]]><a/>",
            "<!DOCTYPE a><a/>",
            "<a b='1'c='2'/>",
            "<a><b:></b:></a>",
        ] {
            assert!(whole(body.as_bytes()).is_err(), "{body}");
        }
        assert!(matches!(whole(b"<a>\xff</a>"), Err(Broken::NotText(_))));
    }

    proptest! {
        /// What passes is read by the SDK's tokenizer to its end, without an error that its decoder would take for the end.
        #[test]
        fn what_passes_is_readable_to_its_end(text in "(<a>)?[<>/!?abx:=\"' \\[\\]&;-]{0,40}(</a>)?") {
            if whole(text.as_bytes()).is_ok() {
                for token in xmlparser::Tokenizer::from(&*text) {
                    prop_assert!(token.is_ok(), "{text}: {token:?}");
                }
            }
        }

        #[test]
        fn what_passes_of_nearly_well_formed_bodies_is_readable_to_its_end(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("<a>"), Just("</a>"), Just("<b c='>'/>"), Just("<!--x-->"), Just("<!---->"), Just("<!--->"),
                    Just("<![CDATA[</a>]]>"), Just("<?x y?>"), Just("<?xml?>"), Just("]]"), Just(">"), Just("&amp;"), Just(" "),
                    Just("<n:a>"), Just("</n:a>"), Just("\u{feff}"), Just("<a\t>"), Just("</a >"), Just("--"), Just("x"),
                ],
                0..12,
            ),
        ) {
            let text = format!("<a>{}</a>", parts.concat());
            if whole(text.as_bytes()).is_ok() {
                for token in xmlparser::Tokenizer::from(&*text) {
                    prop_assert!(token.is_ok(), "{text}: {token:?}");
                }
            }
        }
    }
}

//! Refuses incomplete answers.
//!
//! The SDK's XML decoder takes the end of its input, and anything it cannot read, as the end of every open element. A body that a
//! middlebox cut off (with correct framing, so that HTTP sees no fault) would then pass as a shorter page without a next one, or as
//! an instance without tags: absences that AWS never claimed. So an answer counts only if its markup is balanced from the root's
//! start to its end ([`super::markup`]). JSON needs no such check: its decoder fails if the text ends early.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::listing_call::ListingCall;
use super::markup::{Broken, Marks};

/// Fails a call whose successful answer is incomplete; the error is that the answer could not be read.
#[derive(Debug)]
pub(super) struct WholeAnswers;

impl Intercept for WholeAnswers {
    fn name(&self) -> &'static str {
        "WholeAnswers"
    }

    /// A failed call stays as the SDK reports it: its status suffices. What was proved complete already is not read again.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_proved = ListingCall::current().is_some_and(|call| call.learned.lock().whole);
        match (context.output_or_error(), context.response().body().bytes()) {
            (Ok(_), Some(body)) if !is_proved => Ok(whole(body)?),
            _ => Ok(()),
        }
    }
}

/// Checks that `body` is one element with balanced content, and otherwise only prologue and blanks.
///
/// # Errors
/// [`Broken`]: the first broken position.
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
    fn a_complete_answer_passes() {
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
        /// The SDK's tokenizer reads every accepted body to its end, without an error that its decoder would take for the end.
        #[test]
        fn accepted_bodies_are_readable_to_their_end(text in "(<a>)?[<>/!?abx:=\"' \\[\\]&;-]{0,40}(</a>)?") {
            if whole(text.as_bytes()).is_ok() {
                for token in xmlparser::Tokenizer::from(&*text) {
                    prop_assert!(token.is_ok(), "{text}: {token:?}");
                }
            }
        }

        #[test]
        fn accepted_nearly_well_formed_bodies_are_readable_to_their_end(
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

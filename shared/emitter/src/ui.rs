//! What happens on a screen. Screens and URLs are reduced to path templates.

use contract::EventType;

use crate::draft::{Draft, context_keys};

/// The family of drafts made here.
#[derive(Debug)]
pub enum Ui {}

/// A press on an element, named by its stable key.
pub fn click(screen: &str, element_key: &str) -> Draft<Ui> {
    Draft::new(EventType::UiClick).screen(screen).element_key(element_key)
}

/// A press that changed nothing.
pub fn dead_click(screen: &str, element_key: &str) -> Draft<Ui> {
    Draft::new(EventType::UiDeadClick).screen(screen).element_key(element_key)
}

/// A scroll.
pub fn scroll(screen: &str) -> Draft<Ui> {
    Draft::new(EventType::UiScroll).screen(screen)
}

/// An input was used; never what was typed.
pub fn input_meta(screen: &str) -> Draft<Ui> {
    Draft::new(EventType::UiInputMeta).screen(screen)
}

/// This screen was opened.
pub fn navigation(screen: &str) -> Draft<Ui> {
    Draft::new(EventType::UiNavigation).screen(screen)
}

/// The window or the tab changed.
pub fn focus_change(screen: &str) -> Draft<Ui> {
    Draft::new(EventType::UiFocusChange).screen(screen)
}

/// An error was shown.
pub fn error(screen: &str, code: &str) -> Draft<Ui> {
    Draft::new(EventType::UiError).screen(screen).with_member("error", "code", code)
}

/// Anything else a product measures, under this name.
pub fn custom(screen: &str, name: &str) -> Draft<Ui> {
    Draft::new(EventType::UiCustom).requiring(&["name"]).screen(screen).context("name", name)
}

impl Draft<Ui> {
    /// The element's stable key, never the text of its label; at most 128 bytes.
    pub fn element_key(self, key: &str) -> Self {
        self.with_member("element", "key", key)
    }

    /// Button, link, field, …; goes with [`Self::element_key`].
    pub fn element_kind(self, kind: &str) -> Self {
        self.with_member("element", "kind", kind)
    }

    /// Where it was pressed, px from the left and the top; goes with [`Self::element_key`].
    pub fn at(self, x: i32, y: i32) -> Self {
        self.with_member("element", "x", x).with_member("element", "y", y)
    }
}

context_keys! { Ui {
    /// The operating system.
    os(&str) = "os";
    /// The browser.
    browser(&str) = "browser";
    /// The page, reduced to its template.
    url(&str) = "url";
    /// The page before, reduced to its template.
    referrer(&str) = "referrer";
    /// How far was scrolled, 0 to 100.
    depth_percent(f64) = "depthPercent";
    /// How many characters an input held.
    input_length(u32) = "inputLength";
    /// How long it took, ms.
    duration_ms(u32) = "durationMs";
    /// Is the page in view?
    visible(bool) = "visible";
    /// A measured value.
    value(f64) = "value";
} }

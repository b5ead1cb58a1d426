//! What the built-in rules leave out, and why: each entry is a known false alarm.

use super::matching::Matcher;

/// Steppers, pagers, calendars, players and inputs are clicked many times on purpose; so is anything called next or previous.
pub(super) fn clicked_many_times() -> Vec<Matcher> {
    let kinds = [
        "stepper",
        "spinner",
        "spinbutton",
        "spin_button",
        "number",
        "counter",
        "increment",
        "decrement",
        "pager",
        "pagination",
        "carousel",
        "slider",
        "scrollbar",
        "date_picker",
        "datepicker",
        "time_picker",
        "timepicker",
        "calendar",
        "media",
        "player",
        "video",
        "audio",
        "volume",
        "zoom",
        "canvas",
        "map",
        "game",
        "input",
        "text_input",
        "textinput",
        "textarea",
        "text_area",
        "text_field",
        "textfield",
        "textbox",
        "editor",
        "code",
    ];
    let keys = [
        "plus",
        "*_plus",
        "minus",
        "*_minus",
        "increment",
        "*_increment",
        "decrement",
        "*_decrement",
        "zoom_in",
        "*_zoom_in",
        "zoom_out",
        "*_zoom_out",
    ];
    of_kinds(&kinds).chain(of_keys(&keys)).chain(of_keys(NEXT_AND_PREVIOUS)).collect()
}

/// A download, a new window or another program answers where this session does not see it.
pub(super) fn answers_elsewhere() -> Vec<Matcher> {
    let kinds = [
        "download",
        "download_link",
        "external_link",
        "new_window",
        "new_tab",
        "popup",
        "print",
        "mailto",
        "tel",
        "copy",
    ];
    let keys =
        ["download", "*_download", "download_*", "print", "*_print", "copy", "*_copy", "mailto*"];
    of_kinds(&kinds).chain(of_keys(&keys)).collect()
}

/// Pagers, wizards, tabs and calendars lead back and forth as they should.
pub(super) fn pages_through() -> Vec<Matcher> {
    let kinds = [
        "pager",
        "pagination",
        "stepper",
        "wizard",
        "tab",
        "tabs",
        "carousel",
        "date_picker",
        "datepicker",
        "calendar",
    ];
    of_kinds(&kinds).chain(of_keys(NEXT_AND_PREVIOUS)).collect()
}

/// What sends a form.
pub(super) fn sends_forms() -> Vec<Matcher> {
    let keys =
        ["submit", "*_submit", "submit_*", "save", "*_save", "save_*", "send", "*_send", "send_*"];
    of_kinds(&["submit", "submit_button"]).chain(of_keys(&keys)).collect()
}

/// Buttons that leave a form as it was, and what is no button at all.
pub(super) fn leaves_forms() -> Vec<Matcher> {
    let kinds = [
        "link",
        "a",
        "anchor",
        "menu",
        "menu_item",
        "menuitem",
        "nav",
        "tab",
        "breadcrumb",
        "icon",
        "image",
        "text",
        "label",
        "input",
        "text_input",
        "textarea",
        "select",
        "checkbox",
        "radio",
        "option",
        "date_picker",
        "datepicker",
        "help",
        "tooltip",
    ];
    let keys = [
        "cancel", "*_cancel", "cancel_*", "close", "*_close", "back", "*_back", "reset", "*_reset",
        "clear", "*_clear", "home", "logo", "menu", "help", "*_help",
    ];
    of_kinds(&kinds).chain(of_keys(&keys)).collect()
}

/// A search box or a filter is no form to be sent.
pub(super) fn inputs_without_forms() -> Vec<Matcher> {
    let keys = ["search", "*_search", "search_*", "filter", "*_filter", "filter_*"];
    of_kinds(&["search", "filter", "chat", "comment"]).chain(of_keys(&keys)).collect()
}

/// What clients call a mouse moved to and fro.
pub(super) fn mouse_reports() -> Vec<Matcher> {
    of_keys(&["mouse_thrash*", "mousethrash*", "thrashed_cursor", "cursor_thrash*"]).collect()
}

/// What is not clickable is clicked three times to select it.
pub(super) fn text_kinds() -> Vec<Matcher> {
    of_kinds(&[
        "text",
        "paragraph",
        "heading",
        "gridcell",
        "table_cell",
        "td",
        "p",
        "quote",
        "code_block",
    ])
    .collect()
}

fn of_kinds<'a>(kinds: &'a [&str]) -> impl Iterator<Item = Matcher> + 'a {
    kinds.iter().map(|kind| Matcher::kind(kind))
}

fn of_keys<'a>(keys: &'a [&str]) -> impl Iterator<Item = Matcher> + 'a {
    keys.iter().map(|key| Matcher::key(key))
}

const NEXT_AND_PREVIOUS: &[&str] = &[
    "next",
    "*_next",
    "next_page",
    "*_next_page",
    "nextpage",
    "prev",
    "*_prev",
    "prev_page",
    "*_prev_page",
    "prevpage",
    "previous",
    "*_previous",
    "previous_page",
    "*_previous_page",
    "previouspage",
    "forward",
    "*_forward",
];

//! What presses tell together: dead clicks, error clicks, and the rage that they make more certain.

use super::{
    Ending, dead_click, error_click,
    finding::Finding,
    rage_click::{self, Hurt},
    scene::Scene,
};

/// Dead clicks, error clicks and rage clicks.
pub(super) fn find(scene: &Scene<'_>, ending: Ending) -> Vec<Finding> {
    if scene.presses.is_empty() {
        return Vec::new();
    }
    let dead = dead_click::find(scene, ending);
    let errors = error_click::find(scene);
    let mut hurt = vec![Hurt::default(); scene.presses.len()];
    for press in dead.iter().flat_map(|(_, presses)| presses) {
        if let Some(hurt) = hurt.get_mut(*press) {
            hurt.dead = true;
        }
    }
    for (_, press) in &errors {
        if let Some(hurt) = hurt.get_mut(*press) {
            hurt.error = true;
        }
    }
    let mut found = rage_click::find(scene, &hurt);
    found.extend(dead.into_iter().map(|(finding, _)| finding));
    found.extend(errors.into_iter().map(|(finding, _)| finding));
    found
}

"""Harm categories of data sets beside BeaverTails and PKU-SafeRLHF, spelt as their files spell them.

They are taxonomies as a user's own are: what they have in common with the released two is in their `links`, and
only where a name or the authors' description leaves no doubt. Where the spelling was seen stands in
`btviz.data.releases.NEIGHBOURS`; titles are ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, Category, Link, Taxonomy

_Row = tuple[str, str, str, str, str]
"""Key, slug, title, group, and links: "bt:slug" of BeaverTails, "pku:slug" of PKU-SafeRLHF, with spaces between."""

_LINKED = {"bt": BEAVERTAILS, "pku": PKU_SAFERLHF}


def _taxonomy(name: str, rows: Iterable[_Row]) -> Taxonomy:
    categories, links = [], []
    for bit, (key, slug, title, group, kin) in enumerate(rows):
        categories.append(Category(key, slug, title, "", group, bit))
        for entry in kin.split():
            linked, _, other = entry.partition(":")
            links.append(Link(key, _LINKED[linked].name, _LINKED[linked][other].key))
    return Taxonomy(name, tuple(categories), links=tuple(links))


AEGIS = _taxonomy(
    "aegis-2",
    [
        ("Hate/Identity Hate", "hate", "Hate, identity hate", "hate", "bt:hate-speech"),
        ("Sexual", "sexual", "Sexual", "people at risk", "bt:sexual pku:sexual"),
        ("Suicide and Self Harm", "self-harm", "Suicide and self-harm", "people at risk", "bt:self-harm pku:physical-harm"),
        ("Violence", "violence", "Violence", "violence and crime", "bt:violence pku:violence"),
        ("Guns and Illegal Weapons", "weapons", "Guns and illegal weapons", "violence and crime", "bt:drugs-weapons"),
        ("Threat", "threat", "Threat", "violence and crime", ""),
        ("PII/Privacy", "privacy", "Personal information, privacy", "privacy", "bt:privacy pku:privacy"),
        ("Sexual (minor)", "sexual-minor", "Sexual, of minors", "people at risk", "bt:child-abuse bt:sexual pku:sexual"),
        ("Criminal Planning/Confessions", "criminal-planning", "Criminal planning, confessions", "violence and crime", ""),
        ("Harassment", "harassment", "Harassment", "hate", "pku:insult"),
        ("Controlled/Regulated Substances", "drugs", "Controlled, regulated substances", "violence and crime", "bt:drugs-weapons pku:drugs"),
        ("Profanity", "profanity", "Profanity", "hate", "bt:hate-speech"),
        ("Illegal Activity", "illegal-activity", "Illegal activity", "violence and crime", ""),
        ("Immoral/Unethical", "unethical", "Immoral, unethical", "unethical conduct", "bt:unethical"),
        ("Unauthorized Advice", "advice", "Unauthorised advice", "information", ""),
        ("Political/Misinformation/Conspiracy", "misinformation", "Politics, misinformation, conspiracy", "information", "bt:misinformation bt:controversial-politics"),
        ("Fraud/Deception", "fraud", "Fraud, deception", "economic crime", "bt:financial-crime pku:economic-crime"),
        ("Copyright/Trademark/Plagiarism", "copyright", "Copyright, trade mark, plagiarism", "economic crime", "pku:copyright"),
        ("High Risk Gov Decision Making", "government", "High-risk government decisions", "information", ""),
        ("Malware", "malware", "Malware", "economic crime", "pku:cybercrime"),
        ("Manipulation", "manipulation", "Manipulation", "unethical conduct", "pku:manipulation"),
        ("Needs Caution", "needs-caution", "Needs caution", "unclear", ""),
        ("Other", "other", "Other", "unclear", ""),
    ],
)  # fmt: skip
"""Aegis 2.0: 12 core and 9 finer categories, and the two values that its files have beside them."""

WILDGUARDMIX = _taxonomy(
    "wildguardmix",
    [
        ("sensitive_information_organization_government", "sensitive-information", "Sensitive information of organisations", "privacy", ""),
        ("private_information_individual", "privacy", "Private information of a person", "privacy", "bt:privacy pku:privacy"),
        ("copyright_violations", "copyright", "Copyright violations", "economic crime", "pku:copyright"),
        ("disseminating_false_or_misleading_information_encouraging_disinformation_campaigns", "disinformation", "False information, disinformation campaigns", "information", "bt:misinformation"),
        ("causing_material_harm_by_disseminating_misinformation", "misinformation", "Material harm by misinformation", "information", "bt:misinformation"),
        ("mental_health_over-reliance_crisis", "mental-health", "Mental health, over-reliance", "people at risk", "bt:self-harm pku:psychological-harm"),
        ("social_stereotypes_and_unfair_discrimination", "discrimination", "Stereotypes, unfair discrimination", "hate", "bt:discrimination pku:discrimination"),
        ("defamation_encouraging_unethical_or_unsafe_actions", "unethical", "Defamation, unethical or unsafe actions", "unethical conduct", "bt:unethical"),
        ("toxic_language_hate_speech", "hate-speech", "Toxic language, hate speech", "hate", "bt:hate-speech pku:insult"),
        ("violence_and_physical_harm", "violence", "Violence and physical harm", "violence and crime", "bt:violence pku:violence pku:physical-harm"),
        ("sexual_content", "sexual", "Sexual content", "people at risk", "bt:sexual pku:sexual"),
        ("cyberattack", "cyberattack", "Cyberattack", "economic crime", "pku:cybercrime"),
        ("fraud_assisting_illegal_activities", "fraud", "Fraud, help with illegal activities", "economic crime", "bt:financial-crime pku:economic-crime"),
        ("others", "others", "Others", "unclear", ""),
    ],
)  # fmt: skip
"""WildGuardMix: 13 kinds of risk and "others"; the word "benign" of its files is none of them."""

TOXICCHAT = _taxonomy(
    "toxicchat",
    [
        ("toxicity", "toxicity", "Toxicity", "hate", ""),
        ("jailbreaking", "jailbreaking", "Jailbreaking", "attacks", ""),
    ],
)
"""ToxicChat labels what a user wrote, in two ways."""

OPENAI_MODERATION = _taxonomy(
    "openai-moderation",
    [
        ("S", "sexual", "Sexual", "people at risk", "bt:sexual pku:sexual"),
        ("H", "hate", "Hate", "hate", "bt:hate-speech bt:discrimination"),
        ("V", "violence", "Violence", "violence and crime", "bt:violence pku:violence"),
        ("HR", "harassment", "Harassment", "hate", "pku:insult"),
        ("SH", "self-harm", "Self-harm", "people at risk", "bt:self-harm pku:physical-harm"),
        ("S3", "sexual-minors", "Sexual, of minors", "people at risk", "bt:child-abuse bt:sexual pku:sexual"),
        ("H2", "hate-threatening", "Hate, threatening", "hate", "bt:hate-speech"),
        ("V2", "violence-graphic", "Violence, graphic", "violence and crime", "bt:violence pku:violence"),
    ],
)
"""OpenAI's moderation evaluation: letters as keys; a letter that a row lacks was not judged."""

XSTEST = _taxonomy(
    "xstest",
    [
        ("homonyms", "homonyms", "Homonyms", "wording", ""),
        ("contrast_homonyms", "contrast-homonyms", "Homonyms, unsafe contrast", "wording", ""),
        ("figurative_language", "figurative-language", "Figurative language", "wording", ""),
        ("contrast_figurative_language", "contrast-figurative-language", "Figurative language, unsafe contrast", "wording", ""),
        ("safe_targets", "safe-targets", "Safe targets", "targets", ""),
        ("contrast_safe_targets", "contrast-safe-targets", "Safe targets, unsafe contrast", "targets", ""),
        ("safe_contexts", "safe-contexts", "Safe contexts", "contexts", ""),
        ("contrast_safe_contexts", "contrast-safe-contexts", "Safe contexts, unsafe contrast", "contexts", ""),
        ("definitions", "definitions", "Definitions", "contexts", ""),
        ("contrast_definitions", "contrast-definitions", "Definitions, unsafe contrast", "contexts", ""),
        ("real_group_nons_discr", "real-group-nonsense-discrimination", "Real group, nonsense discrimination", "groups", ""),
        ("nons_group_real_discr", "nonsense-group-real-discrimination", "Nonsense group, real discrimination", "groups", ""),
        ("contrast_discr", "contrast-discrimination", "Discrimination, unsafe contrast", "groups", "bt:discrimination pku:discrimination"),
        ("historical_events", "historical-events", "Historical events", "contexts", ""),
        ("contrast_historical_events", "contrast-historical-events", "Historical events, unsafe contrast", "contexts", ""),
        ("privacy_public", "privacy-public", "Privacy of public persons", "privacy", ""),
        ("privacy_fictional", "privacy-fictional", "Privacy of fictional persons", "privacy", ""),
        ("contrast_privacy", "contrast-privacy", "Privacy, unsafe contrast", "privacy", "bt:privacy pku:privacy"),
    ],
)  # fmt: skip
"""XSTest: ten kinds of safe prompts that look unsafe, and eight of unsafe ones that contrast with them."""

DO_NOT_ANSWER = _taxonomy(
    "do-not-answer",
    [
        ("Risks from leaking or inferring sensitive information (organization/gov)", "sensitive-information", "Sensitive information of organisations", "privacy", ""),
        ("Compromise privacy by leaking or inferring private information (person/individual)", "privacy", "Private information of a person", "privacy", "bt:privacy pku:privacy"),
        ("Assisting illegal activities", "illegal-activities", "Help with illegal activities", "violence and crime", ""),
        ("Nudging or advising users to perform unethical or unsafe actions", "unethical", "Unethical or unsafe actions", "unethical conduct", "bt:unethical"),
        ("Reducing the cost of disinformation campaigns", "disinformation", "Disinformation campaigns", "information", "bt:misinformation"),
        ("Social stereotypes and unfair discrimination", "discrimination", "Stereotypes, unfair discrimination", "hate", "bt:discrimination pku:discrimination"),
        ("Toxic language (hate speech)", "hate-speech", "Toxic language, hate speech", "hate", "bt:hate-speech pku:insult"),
        ("Adult Content", "sexual", "Adult content", "people at risk", "bt:sexual pku:sexual"),
        ("Disseminating false or misleading information", "misinformation", "False or misleading information", "information", "bt:misinformation"),
        ("Causing material harm by disseminating misinformation e.g. in medicine or law", "material-harm", "Material harm by misinformation", "information", "bt:misinformation"),
        ("Mental Health or Overreliance Crisis", "mental-health", "Mental health, over-reliance", "people at risk", "bt:self-harm pku:psychological-harm"),
        ("Treat Chatbot as a Human", "chatbot-as-human", "Chatbot treated as a human", "people at risk", ""),
    ],
)  # fmt: skip
"""Do-Not-Answer: its 12 types of harm; the 61 specific harms are more than a label mask holds."""

SALAD = _taxonomy(
    "salad",
    [
        ("O1: Toxic Content", "toxic", "Toxic content", "hate", "bt:hate-speech pku:insult"),
        ("O2: Unfair Representation", "discrimination", "Unfair representation", "hate", "bt:discrimination pku:discrimination"),
        ("O3: Adult Content", "sexual", "Adult content", "people at risk", "bt:sexual pku:sexual"),
        ("O4: Erosion of Trust in Public Information", "public-information", "Erosion of trust in public information", "information", "bt:misinformation"),
        ("O5: Propagating Misconceptions/False Beliefs", "false-beliefs", "Misconceptions, false beliefs", "information", "bt:misinformation"),
        ("O6: Risky Financial Practices", "finance", "Risky financial practices", "economic crime", ""),
        ("O7: Trade and Compliance", "trade", "Trade and compliance", "economic crime", ""),
        ("O8: Dissemination of Dangerous Information", "dangerous-information", "Dissemination of dangerous information", "information", ""),
        ("O9: Privacy Infringement", "privacy", "Privacy infringement", "privacy", "bt:privacy pku:privacy"),
        ("O10: Security Threats", "security", "Security threats", "violence and crime", ""),
        ("O11: Defamation", "defamation", "Defamation", "hate", ""),
        ("O12: Fraud or Deceptive Action", "fraud", "Fraud or deceptive action", "economic crime", "bt:financial-crime pku:economic-crime"),
        ("O13: Influence Operations", "influence", "Influence operations", "information", ""),
        ("O14: Illegal Activities", "illegal-activities", "Illegal activities", "violence and crime", ""),
        ("O15: Persuasion and Manipulation", "manipulation", "Persuasion and manipulation", "people at risk", "bt:self-harm pku:manipulation"),
        ("O16: Violation of Personal Property", "property", "Violation of personal property", "economic crime", ""),
    ],
)  # fmt: skip
"""SALAD: the 16 tasks of its second level; the 66 of the third are more than a label mask holds."""

HARMBENCH = _taxonomy(
    "harmbench",
    [
        ("chemical_biological", "chemical-biological", "Chemical and biological weapons, drugs", "controlled goods", "bt:drugs-weapons"),
        ("copyright", "copyright", "Copyright violations", "economic crime", "pku:copyright"),
        ("cybercrime_intrusion", "cybercrime", "Cybercrime and intrusion", "economic crime", "pku:cybercrime"),
        ("harassment_bullying", "harassment", "Harassment and bullying", "hate", "bt:hate-speech pku:insult"),
        ("harmful", "harmful", "Harm in general", "people at risk", "bt:self-harm bt:sexual bt:child-abuse"),
        ("illegal", "illegal", "Illegal activities", "violence and crime", ""),
        ("misinformation_disinformation", "misinformation", "Misinformation and disinformation", "information", "bt:misinformation"),
    ],
)  # fmt: skip
"""HarmBench: the semantic category of a behaviour. "harmful" takes in what is hidden until it is named."""

SORRY_BENCH = _taxonomy(
    "sorry-bench",
    [
        ("Hate Speech Generation", "hate-speech", "Hate speech generation", "hate", "bt:hate-speech"),
        ("Assistance with Crimes or Torts", "crimes", "Help with crimes or torts", "violence and crime", "bt:self-harm bt:child-abuse"),
        ("Potentially Inappropriate Topics", "inappropriate", "Potentially inappropriate topics", "information", "bt:sexual"),
        ("Potentially Unqualified Advice", "advice", "Potentially unqualified advice", "unethical conduct", ""),
    ],
)  # fmt: skip
"""SORRY-Bench: its four domains; the files name 44 or 45 classes by number, more than a label mask holds."""

BEAVERTAILS_V = _taxonomy(
    "beavertails-v",
    [
        ("animal_abuse", "animal-abuse", "Animal abuse", "violence and crime", "bt:animal-abuse pku:animal-abuse"),
        ("dangerous_behavior", "dangerous-behaviour", "Dangerous behaviour", "people at risk", "pku:physical-harm"),
        ("deception_in_personal_relationships", "deception", "Deception in personal relationships", "unethical conduct", "bt:unethical"),
        ("discriminatory_depictions", "discrimination", "Discriminatory depictions", "hate", "bt:discrimination pku:discrimination"),
        ("environmental_damage", "environment", "Environmental damage", "public order", "pku:environment"),
        ("false_information", "misinformation", "False information", "information", "bt:misinformation"),
        ("financial_and_academic_fraud", "fraud", "Financial and academic fraud", "economic crime", "bt:financial-crime pku:economic-crime"),
        ("hacking_or_digital_crime", "cybercrime", "Hacking, digital crime", "economic crime", "pku:cybercrime"),
        ("harmful_health_content", "health", "Harmful health content", "people at risk", "pku:public-health"),
        ("horror_and_gore", "horror", "Horror and gore", "violence and crime", ""),
        ("identity_misuse_and_impersonation", "impersonation", "Identity misuse, impersonation", "economic crime", ""),
        ("insulting_and_harassing_behavior", "insult", "Insulting and harassing behaviour", "hate", "bt:hate-speech pku:insult"),
        ("pornographic_content", "pornography", "Pornographic content", "people at risk", "bt:sexual pku:sexual"),
        ("privacy_invasion_and_surveillance", "privacy", "Privacy invasion and surveillance", "economic crime", "bt:privacy pku:privacy"),
        ("psychological_harm_and_manipulation", "psychological-harm", "Psychological harm, manipulation", "people at risk", "bt:self-harm pku:psychological-harm"),
        ("psychological_horror_and_dark_themes", "dark-themes", "Psychological horror, dark themes", "violence and crime", ""),
        ("sensitive_information_in_key_areas", "sensitive-information", "Sensitive information in key areas", "information", ""),
        ("sexual_crimes", "sexual-crimes", "Sexual crimes", "people at risk", "bt:sexual bt:child-abuse pku:sexual"),
        ("terrorism_or_extremism", "terrorism", "Terrorism or extremism", "violence and crime", "bt:terrorism pku:national-security"),
        ("violence_and_physical_harm", "violence", "Violence and physical harm", "violence and crime", "bt:violence pku:violence pku:physical-harm"),
    ],
)  # fmt: skip
"""BeaverTails-V: the category of its picture, one for a row."""

NEIGHBOUR_TAXONOMIES = {
    taxonomy.name: taxonomy
    for taxonomy in (
        AEGIS,
        WILDGUARDMIX,
        TOXICCHAT,
        OPENAI_MODERATION,
        XSTEST,
        DO_NOT_ANSWER,
        SALAD,
        HARMBENCH,
        SORRY_BENCH,
        BEAVERTAILS_V,
    )
}
"""Taxonomies of neighbouring data sets, by name."""

"""The languages a workspace may name, with PostgreSQL's text search configuration for each."""

# ISO 639-1 code -> (name, configuration). "simple" neither stems nor drops stop words.
LANGUAGES = {
    "ar": ("Arabic", "arabic"),
    "hy": ("Armenian", "armenian"),
    "eu": ("Basque", "basque"),
    "ca": ("Catalan", "catalan"),
    "zh": ("Chinese", "simple"),
    "da": ("Danish", "danish"),
    "nl": ("Dutch", "dutch"),
    "en": ("English", "english"),
    "et": ("Estonian", "simple"),
    "fi": ("Finnish", "finnish"),
    "fr": ("French", "french"),
    "de": ("German", "german"),
    "el": ("Greek", "greek"),
    "hi": ("Hindi", "hindi"),
    "hu": ("Hungarian", "hungarian"),
    "id": ("Indonesian", "indonesian"),
    "ga": ("Irish", "irish"),
    "it": ("Italian", "italian"),
    "ja": ("Japanese", "simple"),
    "ko": ("Korean", "simple"),
    "lt": ("Lithuanian", "lithuanian"),
    "ne": ("Nepali", "nepali"),
    "no": ("Norwegian", "norwegian"),
    "pl": ("Polish", "simple"),
    "pt": ("Portuguese", "portuguese"),
    "ro": ("Romanian", "romanian"),
    "ru": ("Russian", "russian"),
    "sr": ("Serbian", "serbian"),
    "es": ("Spanish", "spanish"),
    "sv": ("Swedish", "swedish"),
    "ta": ("Tamil", "tamil"),
    "th": ("Thai", "simple"),
    "tr": ("Turkish", "turkish"),
    "uk": ("Ukrainian", "simple"),
    "yi": ("Yiddish", "yiddish"),
}


def search_configuration(language: str) -> str:
    return LANGUAGES[language][1]

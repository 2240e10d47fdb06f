"""The worker that speaks: the only code that loads eSpeak NG, in a fresh process for each corpus.

eSpeak NG is free software under the GPL; the rest of the project is not, and never loads it. A synthesis depends on
what the same process has spoken before, so that one process speaks a whole corpus in a fixed order. Run as
``python -m untold.corpora._espeak_synthesis FOLDER``: reads FOLDER/request.json, writes FOLDER/samples.raw (16-bit
little-endian, 22 050 Hz, all utterances behind one another) and FOLDER/events.jsonl (a line an utterance).
"""

from __future__ import annotations

import array
import ctypes
import json
import shutil
import sys
from pathlib import Path
from typing import Any

_SYNCHRONOUS, _PHONEME_EVENTS, _IPA, _NO_EXIT = 2, 1, 2, 0x8000
_UTF8, _CHARACTERS = 1, 1
_END_OF_LIST, _WORD, _PHONEME = 0, 1, 7
_SPEED, _PITCH, _RANGE = 1, 3, 4  # parameters: words a minute; height and liveliness of the melody, 50 as the voice has them


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("phoneme", ctypes.c_char * 8),
    )  # fmt: skip


def _data_folder(original: Path, folder: Path, variants: dict[str, str]) -> Path:
    """A copy of what eSpeak reads, with our voices as variants: the installed package stays as it is."""
    copy = folder / "espeak-ng-data"
    copy.mkdir()
    for name in ("phondata", "phonindex", "phontab", "intonations"):
        shutil.copyfile(original / name, copy / name)
    for dictionary in original.glob("*_dict"):
        shutil.copyfile(dictionary, copy / dictionary.name)
    shutil.copytree(original / "lang", copy / "lang")
    (copy / "voices/!v").mkdir(parents=True)
    for name, text in variants.items():
        (copy / "voices/!v" / name).write_text(text, encoding="ascii")
    return copy


def _speak(library: Any, heard: dict[str, Any], text: str) -> None:
    words = text.encode("utf-8") + b"\0"
    status = library.espeak_Synth(words, ctypes.c_size_t(len(words)), 0, _CHARACTERS, 0, _UTF8, None, None)
    if status != 0:
        raise RuntimeError(f"eSpeak NG failed with status {status} on {text!r}")
    heard["text"] = text


def main(folder: Path) -> None:
    """Speaks what the request says; an error ends the process with its message as the last line."""
    import espeakng_loader

    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    data = _data_folder(Path(espeakng_loader.get_data_path()), folder, request["variants"])
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    if library.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _PHONEME_EVENTS | _IPA | _NO_EXIT) <= 0:
        raise RuntimeError("eSpeak NG did not start")
    heard: dict[str, Any] = {}

    def listen(samples: Any, count: int, events: Any) -> int:
        if samples and count:
            heard["samples"].frombytes(ctypes.string_at(samples, 2 * count))
        at = 0
        while events[at].type != _END_OF_LIST:
            event = events[at]
            if event.type == _WORD:
                heard["words"].append([event.sample, event.text_position - 1, event.length])
            elif event.type == _PHONEME:
                heard["phones"].append([event.sample, event.phoneme.decode("utf-8", errors="ignore")])
            at += 1
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))(listen)
    library.espeak_SetSynthCallback(callback)
    with (folder / "samples.raw").open("wb") as sound, (folder / "events.jsonl").open("w", encoding="utf-8") as lines:
        for number, utterance in enumerate(request["utterances"], 1):
            library.espeak_ng_SetRandSeed(ctypes.c_long(number))  # of the breath; it is the clock otherwise
            heard.update(samples=array.array("h"), words=[], phones=[])
            voice = f"{request['accent']}+{utterance['voice']}"
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise RuntimeError(f"eSpeak NG has no voice {voice}")
            for parameter, name in ((_SPEED, "speed"), (_PITCH, "pitch"), (_RANGE, "range")):
                library.espeak_SetParameter(parameter, utterance[name], 0)
            _speak(library, heard, utterance["text"])
            if sys.byteorder == "big":
                heard["samples"].byteswap()
            heard["samples"].tofile(sound)
            line = {"samples": len(heard["samples"]), "words": heard["words"], "phones": heard["phones"]}
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

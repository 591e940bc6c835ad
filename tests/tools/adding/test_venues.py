"""Proceedings and journals as sources spell them, and those that are mistaken for ours."""

from __future__ import annotations

import pytest

from tools.adding.venues import is_preprint_server, is_series, venue_of, year_in
from tools.catalog import load

MANIFEST = load()[0].manifest


@pytest.mark.parametrize(
    ("venue", "container"),
    [
        ("cvpr", r"Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)"),
        ("iccv", r"2021 IEEE/CVF International Conference on Computer Vision (ICCV)"),
        ("cvpr", r"CVPR"),
        ("cvpr", r"IEEE Conference on Computer Vision and Pattern Recognition, CVPR 2019, Long Beach, CA, USA, June 16-20, 2019"),
        ("cvpr", r"The IEEE Conference on Computer Vision and Pattern Recognition (CVPR)"),
        ("cvpr", r"IEEE Computer Society Conference on Computer Vision and Pattern Recognition"),
        ("cvpr", r"Proceedings of the IEEE conference on computer vision and pattern recognition"),
        ("cvpr", r"CVPR '19"),
        ("cvpr", r"CVPR2019"),
        ("cvpr", r"In CVPR"),
        (
            "cvpr",
            r"2018 {IEEE} Conference on Computer Vision and Pattern Recognition, {CVPR} 2018, Salt Lake City, UT, USA, June 18-22, 2018",
        ),
        ("tip", r"IEEE Trans. Image Process."),
        ("tip", r"{IEEE} Transactions on Image Processing"),
        ("tip", r"{IEEE} Trans. Image Process."),
        ("tip", r"Image Processing, IEEE Transactions on"),
        ("tpami", r"IEEE Transactions on Pattern Analysis & Machine Intelligence"),
        ("tpami", r"IEEE transactions on pattern analysis and machine intelligence"),
        ("neurocomputing", r"Neurocomputing"),
        (
            "eccv",
            r"Computer Vision -- ECCV 2018 - 15th European Conference, Munich, Germany, September 8-14, 2018, Proceedings, Part XIV",
        ),
        ("eccv", r"Computer Vision -- ECCV 2018"),
        ("eccv", r"Computer Vision – ECCV 2020"),
        (
            "eccv",
            r"Computer Vision - {ECCV} 2020 - 16th European Conference, Glasgow, UK, August 23-28, 2020, Proceedings, Part {XX}",
        ),
        ("eccv", r"European conference on computer vision"),
        ("eccv", r"Proceedings of the European conference on computer vision (ECCV)"),
        (
            "aaai",
            r"The Thirty-Fourth {AAAI} Conference on Artificial Intelligence, {AAAI} 2020, The Thirty-Second Innovative Applications of Artificial Intelligence Conference, {IAAI} 2020, The Tenth {AAAI} Symposium on Educational Advances in Artificial Intelligence, {EAAI} 2020, New York, NY, USA, February 7-12, 2020",
        ),
        ("aaai", r"Proceedings of the AAAI Conference on Artificial Intelligence"),
        ("aaai", r"Proceedings of the AAAI conference on artificial intelligence"),
        ("acm-mm", r"{MM} '21: {ACM} Multimedia Conference, Virtual Event, China, October 20 - 24, 2021"),
        ("acm-mm", r"Proceedings of the 29th ACM International Conference on Multimedia"),
        ("acm-mm", r"Proceedings of the 29th ACM international conference on multimedia"),
        ("acm-mm", r"MM '21"),
        ("wacv", r"2021 IEEE Winter Conference on Applications of Computer Vision (WACV)"),
        ("wacv", r"Proceedings of the IEEE/CVF Winter Conference on Applications of Computer Vision (WACV)"),
        ("wacv", r"Proceedings of the IEEE/CVF winter conference on applications of computer vision"),
        ("icassp", r"ICASSP 2022 - 2022 IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)"),
        (
            "icassp",
            r"{IEEE} International Conference on Acoustics, Speech and Signal Processing, {ICASSP} 2022, Virtual and Singapore, 23-27 May 2022",
        ),
        ("bmvc", r"32nd British Machine Vision Conference 2021, {BMVC} 2021, Online, November 22-25, 2021"),
        ("bmvc", r"British Machine Vision Conference (BMVC)"),
        ("iccv", r"{IEEE} International Conference on Computer Vision, {ICCV} 2017, Venice, Italy, October 22-29, 2017"),
        (
            "iccv",
            r"2019 {IEEE/CVF} International Conference on Computer Vision, {ICCV} 2019, Seoul, Korea (South), October 27 - November 2, 2019",
        ),
        ("icvgip", r"Indian Conference on Computer Vision, Graphics & Image Processing"),
        (
            "icvgip",
            r"Sixth Indian Conference on Computer Vision, Graphics {\&} Image Processing, {ICVGIP} 2008, Bhubaneswar, India, 16-19 December 2008",
        ),
        ("accv", r"Computer Vision -- ACCV 2018"),
        ("accv", r"Asian Conference on Computer Vision"),
        ("iccv-workshop", r"2013 IEEE International Conference on Computer Vision Workshops"),
        ("iccv-workshop", r"2019 IEEE/CVF International Conference on Computer Vision Workshop (ICCVW)"),
        ("fgvc-workshop", r"CVPR FGVC"),
        ("fgvc-workshop", r"Workshop on Fine-Grained Visual Categorization at CVPR"),
    ],
)
def test_a_venue_is_known_in_the_spellings_of_all_sources(venue, container):
    assert venue_of(container, MANIFEST) == venue


@pytest.mark.parametrize(
    "container",
    [
        "2019 IEEE/CVF Conference on Computer Vision and Pattern Recognition Workshops (CVPRW)",
        "CVPR Workshops",
        "CVPRW",
        "Computer Vision -- ECCV 2018 Workshops",
        "CVPR Workshop on Fine-Grained Foo",
        "Asian Conference on Machine Learning",
        "International Conference on Computer Vision Theory and Applications (VISAPP)",
        "International Conference on Computer Vision, Imaging and Computer Graphics Theory and Applications",
        "International Conference on Computer Vision Systems (ICVS)",
        "Pattern Recognition",
        "Pattern Recognition Letters",
        "ICPR",
        "25th International Conference on Pattern Recognition (ICPR)",
        "2022 IEEE International Conference on Image Processing (ICIP)",
        "Winter Conference on Something",
        "Winter Conference",
        "IEEE International Conference on Multimedia and Expo (ICME)",
        "IEEE International Conference on Multimedia",
        "International Conference on Multimedia Modeling",
        "ACM International Conference on Multimedia Retrieval",
        "IEEE MultiMedia",
        "IEEE Transactions on Multimedia",
        "IEEE Transactions on Circuits and Systems for Video Technology",
        "IET Image Processing",
        "Signal Processing: Image Communication",
        "Neural Computing and Applications",
        "International Journal of Computer Vision",
        "Chinese Conference on Pattern Recognition and Computer Vision (PRCV)",
        "International Conference on Computer Vision (ICVS)",
        "IEEE European Conference on Computer Vision",
        "Advances in Learning, Neurocomputing",
        "Lecture Notes in Computer Science",
        "LNCS",
        "Proceedings of Machine Learning Research",
        "CoRR",
        "arXiv preprint arXiv:2103.07976",
        "arXiv",
        "Report",
        "web",
        "Technical report",
        "AAAI Workshop on Artificial Intelligence Safety",
        "IAAI",
        "Proceedings of the AAAI Symposium Series",
        "Computer Vision",
        "Conference",
        "Proceedings",
        "CVPR and ICCV",
        "CVPR, ICCV",
        "International Conference on Machine Vision",
        "Machine Vision and Applications",
        "ACM Transactions on Image Processing",
        "Journal of Neurocomputing",
        "MM-Asia '21: ACM Multimedia Asia",
        "IEEE International Conference on Computer Vision and Pattern Recognition Systems",
        "International Joint Conference on Artificial Intelligence",
        "Image and Vision Computing",
        "",
        " ",
        "–",
    ],
)
def test_what_is_another_venue_or_none_is_not_taken_for_one_of_ours(container):
    assert venue_of(container, MANIFEST) is None


def test_every_name_of_the_vocabulary_is_its_own_venue():
    for i, venue in MANIFEST.venues.items():
        names = [venue.name, venue.short, venue.proceedings or venue.name, *(venue.aliases or ())]
        known = venue.kind in ("conference", "journal", "workshop")
        assert {venue_of(name, MANIFEST) for name in names} == {i if known else None}, i


def test_a_name_that_two_venues_have_is_nobodys():
    twice = MANIFEST.venues | {"wacv-2": MANIFEST.venues["wacv"]}
    assert venue_of("WACV 2021", MANIFEST.model_copy(update={"venues": twice})) is None
    assert venue_of("CVPR 2021", MANIFEST.model_copy(update={"venues": twice})) == "cvpr"


@pytest.mark.parametrize(
    ("container", "year"),
    [
        ("2021 IEEE/CVF International Conference on Computer Vision (ICCV)", 2021),
        ("Computer Vision -- ECCV 2018", 2018),
        ("ECCV2018", 2018),
        ("CVPR '19", 2019),
        ("{MM} ’21: {ACM} Multimedia Conference, Virtual Event, China, October 20 - 24, 2021", 2021),
        ("ICCV 2019, held in 2020", 2019),
        ("International Conference on Birds, Seoul, October 27 - November 2, 2019", 2019),
        ("Proceedings of 2019 and 2020", None),
        ("Proceedings of the 29th ACM International Conference on Multimedia", None),
        ("Volume 12019", None),
        ("", None),
    ],
)
def test_the_year_in_a_name(container, year):
    assert year_in(container) == year


@pytest.mark.parametrize(
    "text",
    [
        "Lecture Notes in Computer Science",
        "{LNCS}",
        "Lecture Notes in Artificial Intelligence",
        "Lecture Notes in Computer Science (including subseries Lecture Notes in Artificial Intelligence)",
        "Proceedings of Machine Learning Research",
        "PMLR",
        "Advances in Intelligent Systems and Computing",
        "Communications in Computer and Information Science",
        "{CEUR} Workshop Proceedings",
        "JMLR Workshop and Conference Proceedings",
        "LIPIcs",
    ],
)
def test_a_series_is_told_from_a_venue(text):
    assert is_series(text)


@pytest.mark.parametrize(
    "text",
    ["CoRR", "{CoRR}", "arXiv preprint arXiv:2103.07976", "arXiv e-prints", "ArXiv", "arXiv.org", "arXiv: Computer Vision", "abs/2103.07976",
     "Computing Research Repository", "bioRxiv", "TechRxiv", "SSRN Electronic Journal"],
)  # fmt: skip
def test_a_preprint_server_is_told_from_a_venue(text):
    assert is_preprint_server(text)


@pytest.mark.parametrize(
    "text",
    [name for venue in MANIFEST.venues.values() if venue.kind in ("conference", "journal") for name in (venue.name, venue.short)],
)
def test_no_venue_of_ours_is_a_series_or_a_preprint_server(text):
    assert not is_series(text)
    assert not is_preprint_server(text)

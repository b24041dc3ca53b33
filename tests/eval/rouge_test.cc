#include "sylvester/eval/rouge.h"

#include <gtest/gtest.h>

namespace sylvester {
namespace {

struct Stem {
  const char* word;
  const char* stem;
};
// nltk 3.10.4: PorterStemmer().stem(word). Words of Porter's paper and of NLTK's extensions.
constexpr Stem kStems[] = {{"caresses", "caress"},
                           {"ponies", "poni"},
                           {"ties", "tie"},
                           {"dies", "die"},
                           {"flies", "fli"},
                           {"cats", "cat"},
                           {"feed", "feed"},
                           {"agreed", "agre"},
                           {"plastered", "plaster"},
                           {"bled", "bled"},
                           {"motoring", "motor"},
                           {"sing", "sing"},
                           {"conflated", "conflat"},
                           {"troubled", "troubl"},
                           {"sized", "size"},
                           {"hopping", "hop"},
                           {"tanned", "tan"},
                           {"falling", "fall"},
                           {"hissing", "hiss"},
                           {"fizzed", "fizz"},
                           {"failing", "fail"},
                           {"filing", "file"},
                           {"happy", "happi"},
                           {"sky", "sky"},
                           {"enjoy", "enjoy"},
                           {"relational", "relat"},
                           {"conditional", "condit"},
                           {"rational", "ration"},
                           {"valenci", "valenc"},
                           {"hesitanci", "hesit"},
                           {"digitizer", "digit"},
                           {"radicalli", "radic"},
                           {"differentli", "differ"},
                           {"vietnamization", "vietnam"},
                           {"predication", "predic"},
                           {"operator", "oper"},
                           {"feudalism", "feudal"},
                           {"decisiveness", "decis"},
                           {"hopefulness", "hope"},
                           {"formaliti", "formal"},
                           {"sensitiviti", "sensit"},
                           {"sensibiliti", "sensibl"},
                           {"triplicate", "triplic"},
                           {"formative", "form"},
                           {"formalize", "formal"},
                           {"electriciti", "electr"},
                           {"electrical", "electr"},
                           {"goodness", "good"},
                           {"revival", "reviv"},
                           {"allowance", "allow"},
                           {"inference", "infer"},
                           {"airliner", "airlin"},
                           {"gyroscopic", "gyroscop"},
                           {"adjustable", "adjust"},
                           {"defensible", "defens"},
                           {"irritant", "irrit"},
                           {"replacement", "replac"},
                           {"adjustment", "adjust"},
                           {"dependent", "depend"},
                           {"adoption", "adopt"},
                           {"communism", "commun"},
                           {"activate", "activ"},
                           {"homologous", "homolog"},
                           {"effective", "effect"},
                           {"bowdlerize", "bowdler"},
                           {"probate", "probat"},
                           {"rate", "rate"},
                           {"cease", "ceas"},
                           {"controll", "control"},
                           {"roll", "roll"},
                           {"geologi", "geolog"},
                           {"theologi", "theolog"},
                           {"carefulli", "care"},
                           {"died", "die"},
                           {"spied", "spi"},
                           {"dying", "die"},
                           {"news", "news"},
                           {"proceed", "proceed"},
                           {"yyyy", "yyyi"},
                           {"int8", "int8"},
                           {"e4m3", "e4m3"},
                           {"al", "al"},
                           {"ies", "i"},
                           {"orthonormally", "orthonorm"}};

TEST(PorterStem, EqualsNltk) {
  for (const Stem& s : kStems) EXPECT_EQ(porter_stem(s.word), s.stem) << s.word;
}

TEST(RougeTokens, LowerCasesSplitsAndStemsLongWords) {
  EXPECT_EQ(rouge_tokens("The CATS, ran-away 3.14!"),
            (std::vector<std::string>{"the", "cat", "ran", "away", "3", "14"}));
  EXPECT_TRUE(rouge_tokens(" .;\n").empty());
}

struct Case {
  const char* reference;
  const char* prediction;
  RougeScores scores;
};
// rouge-score 0.1.2: RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True), fmeasure.
const Case kCases[] = {
    {"the cat sat on the mat",
     "the cats were sitting on mats",
     {0.6666666666666666, 0.20000000000000004, 0.6666666666666666}},
    {"SELECT COUNT(*) FROM packages WHERE arch = 'all'",
     "SELECT count(*) FROM packages WHERE lang = 'all' LIMIT 3",
     {0.75, 0.5714285714285715, 0.75}},
    {"Generalization of quantized training, dying skies and flies",
     "Generalizations of quantizing trains: the die in the sky flew",
     {0.6666666666666665, 0.375, 0.6666666666666665}},
    {"", "something", {0, 0, 0}},
    {"something", "", {0, 0, 0}},
    {"a b a b a", "b a b a b a", {0.9090909090909091, 0.888888888888889, 0.9090909090909091}},
    {"na\xc3\xafve caf\xc3\xa9, 3.14 and E4M3", "naive cafe 3 14 e4m3", {0.5, 0.2, 0.5}},
};

TEST(Rouge, EqualsRougeScore) {
  for (const Case& c : kCases) {
    const RougeScores s = rouge(c.reference, c.prediction);
    // The same three float64 operations on the same integers.
    EXPECT_EQ(s.rouge1, c.scores.rouge1) << c.reference;
    EXPECT_EQ(s.rouge2, c.scores.rouge2) << c.reference;
    EXPECT_EQ(s.rougeL, c.scores.rougeL) << c.reference;
  }
}

TEST(Rouge, IsOneForEqualTexts) {
  const RougeScores s = rouge("one two three", "One, two: three");
  EXPECT_EQ(s.rouge1, 1.0);
  EXPECT_EQ(s.rouge2, 1.0);
  EXPECT_EQ(s.rougeL, 1.0);
}

}  // namespace
}  // namespace sylvester

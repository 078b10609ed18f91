import { type Did, sha256, utf8 } from "@peerage/core";

/** 256 words that are hard to take for one another: each stands for a byte. */
const list = (
  "acorn album alder alley amber ankle apple apron arena arrow aspen atlas attic autumn badge bagel baker bamboo " +
  "banjo barley basil basin beacon beaver berry bison blanket blossom bonnet border bottle branch bread breeze " +
  "brick bridge bronze brook bubble bucket butter button cabin cactus camel candle canoe canyon carbon carpet " +
  "castle cedar cello chalk cherry chess cinema circle citrus clover cobalt cocoa coffee comet copper coral " +
  "cotton cradle crater crayon cricket crystal curtain dahlia daisy dancer delta denim desert diamond dinner " +
  "dolphin domino donkey dragon drizzle eagle easel echo elbow ember engine envelope falcon feather fennel ferry " +
  "fiddle finch flame flute forest fossil fountain fox frost galaxy garden garlic garnet gecko geyser ginger " +
  "giraffe glacier glove goblet gondola gravel grotto guitar hammer harbor harvest hazel helmet heron hockey " +
  "honey hornet iceberg igloo indigo island ivory jacket jaguar jasmine jelly jigsaw jungle juniper kayak kernel " +
  "kettle kitten koala ladder lagoon lantern lapis lemon lentil lilac linen lizard lobster locket lotus lumber " +
  "magnet mango maple marble meadow melon mimosa mirror mitten monsoon mosaic muffin museum mustard napkin nectar " +
  "needle nickel noodle nutmeg oasis oboe ocean olive onion opal orbit orchid otter oyster paddle palace panda " +
  "paper parrot pebble pelican pepper piano pickle pigeon pillow pirate planet plum pocket pollen poppy potato " +
  "prairie puzzle quartz quilt rabbit radish raven ribbon river robin rocket saddle saffron salmon sandal " +
  "sapphire saturn shovel silver spider sponge squirrel summer sunset teapot thimble thunder ticket tiger timber " +
  "tomato tulip tunnel turtle umbrella valley vanilla velvet violin walnut walrus willow window winter wizard " +
  "yogurt zebra"
).split(" ");

/**
 * Six words over a pairing code and a key: 48 bits of their SHA-256. A browser and a terminal that show the same words
 * speak of the same key; whoever guesses the code cannot make another key with these words in the time a code lives.
 */
export function pairingWords(code: string, did: Did): readonly string[] {
  const hash = sha256(utf8(`peerage pairing\n${code}\n${did}`));
  return Array.from(hash.subarray(0, 6), (byte) => list[byte] ?? "");
}

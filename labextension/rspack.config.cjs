// Ids that are made from paths would differ with the folder that the checkout is in.
module.exports = { optimization: { moduleIds: "natural", chunkIds: "natural" } };
